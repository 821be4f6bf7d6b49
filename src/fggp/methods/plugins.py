"""Methods from outside the package: files that a study names, and entry points of other packages.

A file registers its methods with `fggp.methods.registry.register`, as the files of this folder do.
It is imported in this process, and named in an environment variable for the trainings that this
process starts. A package declares a module of methods as an entry point of the group
``fggp.methods``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from fggp.foundation.errors import Failure

GROUP = "fggp.methods"
VARIABLE = "FGGP_PLUGINS"
"""The environment variable with the files, absolute, that trainings import before they begin."""
_LOADED: list[Path] = []


def load_plugins(files: Iterable[str | Path]) -> None:
    """Import files of methods, each once, here and in the processes that this one starts.

    Raises:
        Failure: where a file is missing, cannot be imported, or registers no method; one line.

    """
    for path in (Path(it).resolve() for it in files):
        if path not in _LOADED:
            _import(path)
            _LOADED.append(path)
    if _LOADED:
        os.environ[VARIABLE] = os.pathsep.join(map(str, _LOADED))


def load_given_plugins() -> None:
    """Import what the environment names and what installed packages declare."""
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            raise Failure(f"{entry.value}, an entry point {GROUP}: {_said(error)}") from error
    load_plugins(filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)))


def plugin_files() -> list[Path]:
    """Return the files that were imported, in order."""
    return list(_LOADED)


def _import(path: Path) -> None:
    """Import a file as a module of its own."""
    name = f"fggp_plugin_{len(_LOADED)}_{path.stem}"
    spec = spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise Failure(f"{path}: no such file of methods (a study's plugins are beside it, in .py)")
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise Failure(f"{path}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return f"cannot be imported ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
