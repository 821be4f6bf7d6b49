"""Methods from outside the package: files that a study names, and entry points of other packages.

A file registers its methods with `fggp.methods.registry.register`, as the files of this folder do.
It is imported in this process, and named in an environment variable for the trainings that this
process starts. A package declares a module of methods as an entry point of the group
``fggp.methods``.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from fggp.foundation.errors import Failure
from fggp.foundation.python_files import import_file, in_one_line, pass_on, passed_on
from fggp.methods.registry import METHODS

GROUP = "fggp.methods"
VARIABLE = "FGGP_PLUGINS"
"""The environment variable with the absolute paths of files that trainings import at the start."""
ABSENT = "no such file of methods (plugins are .py files next to the study)"
EMPTY = (
    "registers no method; decorate its functions with @register from fggp.methods.registry, or "
    "take the file out of plugins"
)
_LOADED: list[Path] = []


def load_plugins(files: Iterable[str | Path]) -> None:
    """Import files of methods, each once, here and in the processes that this one starts.

    Raises:
        Failure: where a file is missing, cannot be imported, or registers no method; one line.

    """
    for path in (Path(it).resolve() for it in files):
        if path not in _LOADED:
            known = len(METHODS)
            import_file(path, f"fggp_plugin_{len(_LOADED)}_{path.stem}", ABSENT)
            if len(METHODS) == known:
                raise Failure(f"{path}: {EMPTY}")
            _LOADED.append(path)
    if _LOADED:
        pass_on(VARIABLE, _LOADED)


def load_given_plugins() -> None:
    """Import the files named in the environment and the entry points of installed packages."""
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except (Exception, SystemExit) as error:
            raise Failure(
                f"{entry.value}, an entry point {GROUP}: cannot be imported ({in_one_line(error)})"
            ) from error
    load_plugins(passed_on(VARIABLE))


def plugin_files() -> list[Path]:
    """Return the files that were imported, in order."""
    return list(_LOADED)
