"""Atomic file writing, and the errors of reading a damaged file."""

from __future__ import annotations

import errno
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNREADABLE = (
    *(EOFError, KeyError, MemoryError, NotImplementedError, OSError, RuntimeError),
    *(TypeError, ValueError, zipfile.BadZipFile, zlib.error),
)
"""Errors of reading an array archive that is truncated, overwritten or of another program."""


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: a kill at any moment leaves the old or the new file."""
    with replacing(path) as partial:
        partial.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Provide a path to write to, which replaces ``path`` once the block ends.

    If the block raises, ``path`` is unchanged. The name of the partial file is fixed, so that the
    next write overwrites the remains of a killed process.

    Raises:
        OSError: if the file cannot be written; it names ``path``.

    """
    if path.name in {"", ".."}:  # a folder, such as . and /, which has no name for a partial file
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)  # a full disk names nothing, and others the partial file
        raise
    finally:
        partial.unlink(missing_ok=True)
