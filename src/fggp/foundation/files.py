"""Atomic file writing, and the errors of reading a damaged file."""

from __future__ import annotations

import errno
import os
import platform
import re
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""Errors of reading a path at which there is no file."""
LONGEST_WRITE = 86_400
"""Seconds after which no process of another machine can still be writing a file."""
_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"
UNREADABLE = (
    *(EOFError, KeyError, MemoryError, NotImplementedError, OSError, RuntimeError),
    *(TypeError, ValueError, zipfile.BadZipFile, zlib.error),
)
"""Errors of reading an array archive that is truncated, overwritten or of another program."""


def is_refusal(error: BaseException) -> bool:
    """Whether the system refused to read a file that may be intact, as without permission.

    A damaged archive has errors without a number, or EINVAL for a position outside of it.
    """
    if isinstance(error, OSError) and not isinstance(error, ABSENT):
        return error.errno not in {None, errno.EINVAL}
    return isinstance(error, MemoryError)


def refusal(error: BaseException) -> str:
    """Return the reason of a refusal, in words of the system."""
    return getattr(error, "strerror", None) or "too little memory"


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

    If the block raises, ``path`` is unchanged. The partial file of a killed process is removed by
    the next write, or a day later on another machine. Processes may write the same file at once.

    Raises:
        OSError: if the file cannot be written; it names ``path``.

    """
    if path.name in {"", ".."}:  # a folder, such as . and /, which has no name for a partial file
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{_MACHINE}-{os.getpid()}.partial")
    _remove_leftovers(path)
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        if error.errno is not None:
            error.filename = str(path)  # a full disk names nothing, and others the partial file
        raise
    finally:
        partial.unlink(missing_ok=True)


def process_exists(pid: int) -> bool:
    """Whether a process of this machine is alive."""
    try:
        os.kill(pid, 0)
    except PermissionError:  # of another user
        return True
    except (OSError, OverflowError):
        return False
    return True


def _remove_leftovers(path: Path) -> None:
    """Remove partial files of ``path`` whose process was killed."""
    name = re.compile(rf"\.{re.escape(path.name)}(\.([0-9a-f]{{8}})-(\d+))?\.partial")
    with suppress(OSError):  # of a folder that can be written to but not listed
        for other in path.parent.iterdir():
            if (found := name.fullmatch(other.name)) and not _is_written(other, found[2], found[3]):
                other.unlink(missing_ok=True)


def _is_written(partial: Path, machine: str | None, pid: str | None) -> bool:
    """Whether a process may still be writing a partial file."""
    if machine is None or pid is None:  # of an earlier version
        return False
    if machine == _MACHINE:
        return process_exists(int(pid))
    return time.time() - partial.stat().st_mtime < LONGEST_WRITE
