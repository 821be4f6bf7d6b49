"""Python files of users, imported as separate modules."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from fggp.foundation.errors import Failure

SEPARATOR = "\n"
"""Between paths in an environment variable: a folder may have a colon in its name."""
_SOURCES: dict[Path, bytes] = {}


def import_file(path: Path, name: str, absent: str) -> ModuleType:
    """Import a file as a module with its own name.

    Args:
        path: path of the file.
        name: name of the module in ``sys.modules``, where dataclasses look it up.
        absent: message for a file that does not exist.

    Raises:
        Failure: if there is no such file, or its import fails; one line.

    """
    spec = spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise Failure(f"{path}: {absent}")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        source = path.read_bytes()
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a script ends where its arguments are not given
        del sys.modules[name]
        raise Failure(f"{path}: cannot be imported ({in_one_line(error)})") from error
    _SOURCES[path] = source
    return module


def pass_on(variable: str, files: Iterable[Path]) -> None:
    """Name files in an environment variable, for the processes that this one starts."""
    os.environ[variable] = SEPARATOR.join(map(str, files))


def passed_on(variable: str) -> list[Path]:
    """Return the files that an environment variable names."""
    return [Path(it) for it in os.environ.get(variable, "").split(SEPARATOR) if it]


def source_of(path: Path) -> bytes:
    """Return the content of a file when it was imported; it may be changed or gone since.

    That of another file is its content now. Raises OSError if that cannot be read.
    """
    return _SOURCES[path] if path in _SOURCES else path.read_bytes()


def in_one_line(error: BaseException) -> str:
    """Return the type and the text of an error on one line of limited length."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
