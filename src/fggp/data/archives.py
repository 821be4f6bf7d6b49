"""The files of a folder or archive, one after the other; nothing is ever extracted."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from fggp.data.dataset import DataError

LARGEST_FILE = 2**20
LITTER = ("__macosx", "thumbs.db", "desktop.ini")
SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".zip")
_BROKEN = (
    *(EOFError, NotImplementedError, OSError, RuntimeError, UnicodeError),
    *(lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True)
class Entry:
    """One file of a source.

    Attributes:
        source: the folder or archive.
        path: path of the file, inside the source.
        name: name of the file, for messages.
        is_file: whether it is a plain file; links are followed in folders only.
        open: opens the file; valid only until the next entry is requested.

    """

    source: Path
    path: str
    name: str
    is_file: bool
    open: Callable[[], IO[bytes] | None]

    def read(self) -> bytes:
        """Return the content, truncated after ``LARGEST_FILE`` + 1 bytes.

        Raises:
            DataError: if the source is damaged or truncated.

        """
        with _explained(self.source):
            file = self.open()
            if file is None:
                return b""
            with file:
                return file.read(LARGEST_FILE + 1)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name is a leftover of the system and not data."""
    hidden = name.startswith(".") and name not in (".", "..")
    return hidden or name.lower() in LITTER


def entries(source: Path) -> Iterator[Entry]:
    """Yield the files of ``source``, a folder or an archive with one of ``SUFFIXES``.

    Raises:
        DataError: if ``source`` is missing, of another kind, damaged or truncated.

    """
    suffix = next((suffix for suffix in SUFFIXES if source.name.lower().endswith(suffix)), None)
    if not source.exists():
        raise DataError(f"{source} does not exist; put the folder or archive of images there")
    with _explained(source):
        if source.is_dir():
            yield from _folder(source)
        elif not source.is_file():
            raise DataError(f"{source} is neither a file nor a folder; put the images there")
        elif suffix == ".zip":
            yield from _zip(source)
        elif suffix is not None:
            yield from _tar(source, suffix)
        else:
            kinds = ", ".join(SUFFIXES)
            raise DataError(f"{source} is neither a folder nor one of {kinds}; repack the images")


@contextmanager
def _explained(source: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise DataError(f"{error.filename} cannot be read; change its permissions") from error
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        fix = "copy or download it again"
        raise DataError(f"{source} is damaged or truncated ({reason}); {fix}") from error


def _folder(source: Path) -> Iterator[Entry]:
    def stop(error: OSError) -> None:
        raise error

    for folder, subfolders, files in os.walk(source, onerror=stop, followlinks=True):
        subfolders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            inside = path.relative_to(source).as_posix()
            # Links on disk are followed: they point to files that their owner can read anyway.
            is_file = path.is_file() or not path.exists()  # reading a missing one is an error
            yield Entry(source, inside, str(path), is_file, partial(_open_file, path))


def _open_file(path: Path) -> IO[bytes]:
    return path.open("rb")


def _zip(source: Path) -> Iterator[Entry]:
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            is_file = (info.external_attr >> 28) != 0o12  # the file type in a Unix mode
            name = f"{source}: {info.filename}"
            yield Entry(source, info.filename, name, is_file, partial(archive.open, info))


def _tar(source: Path, suffix: str) -> Iterator[Entry]:
    with _opened(source, suffix) as stream:
        blocks = _Blocks(stream)
        with tarfile.open(fileobj=blocks, mode="r|", bufsize=tarfile.BLOCKSIZE) as archive:
            for member in archive:
                if member.isdir():
                    continue
                name = f"{source}: {member.name}"
                is_file = member.isfile()
                content = partial(archive.extractfile, member)
                yield Entry(source, member.name, name, is_file, content)
        blocks.finish()


def _opened(source: Path, suffix: str) -> IO[bytes] | gzip.GzipFile | lzma.LZMAFile:
    if suffix == ".tar":
        return _open_file(source)
    return lzma.open(source) if suffix == ".tar.xz" else gzip.open(source)


class _Blocks(io.BufferedIOBase):
    """A stream that stores its last block, because tarfile takes damage for the archive's end."""

    def __init__(self, stream: IO[bytes] | gzip.GzipFile | lzma.LZMAFile) -> None:
        self._stream = stream
        self._last = b""

    def read(self, size: int | None = -1, /) -> bytes:
        self._last = self._stream.read(-1 if size is None else size)
        return self._last

    def finish(self) -> None:
        """Raise unless the archive ended with its empty block, and check the rest of the stream."""
        if len(self._last) < tarfile.BLOCKSIZE or any(self._last):
            raise tarfile.ReadError("its end is missing")
        while self._stream.read(LARGEST_FILE):  # the checksum comes last
            pass
