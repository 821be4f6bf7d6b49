"""The listing of a prepared file's source, used to notice images that changed.

The listing is next to the prepared file, whose bytes, and with them the checksum in results, do
not depend on it. It has the size, the times, the inode and the digest of each file of the source,
or of the archive. A file whose size, times and inode are as listed counts as unchanged: no tool
sets the time of the last change of an inode, so that copies that keep everything else (``cp -p``,
rsync) and exchanged folders are noticed. A file whose times differ is read and its digest compared,
and so is every file of a source that was moved or copied as a whole.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fggp.data.archives import is_litter
from fggp.data.dataset import DataError
from fggp.foundation.files import UNREADABLE, write_text

FORMAT = "fggp-listing-1"
SHOWN = 3
"""The number of changed files that are named."""
Entry = list[Any]
"""Size, times of the last change of content and of the inode in nanoseconds, inode, digest."""


@dataclass(frozen=True)
class Changes:
    """The changed files of a source since a file was prepared from it."""

    added: list[str]
    removed: list[str]
    changed: list[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        named = [
            f"{len(names)} {word} ({', '.join(names[:SHOWN])}{', …' * (len(names) > SHOWN)})"
            for word in ("added", "removed", "changed")
            if (names := getattr(self, word))
        ]
        return " ".join(", ".join(named).split())


def listing_path(out: Path) -> Path:
    """Return the path of the listing of a prepared file."""
    return out.with_name(f".{out.name}.source.json")


def listed(source: Path) -> dict[str, Entry]:
    """Return the listing of a source, reading every file.

    Raises:
        DataError: naming a file that cannot be read.

    """
    return {name: [*_stamp(path), _digest(path)] for name, path in _files(source)}


def write_listing(files: dict[str, Entry], out: Path) -> None:
    """Write the listing of the source that ``out`` was made from, next to it."""
    content = {"format": FORMAT, "of": identity(out), "files": files}
    try:
        write_text(listing_path(out), json.dumps(content, separators=(",", ":")))
    except OSError as error:
        fix = "make room or choose another folder"
        raise DataError(f"{error.filename} cannot be written ({error.strerror}); {fix}") from error


def changes(source: Path | None, out: Path) -> Changes | None:
    """Return the changes of ``source`` since ``out`` was made from it; None if there are none.

    Also None if there is nothing to compare: the source or ``out`` is missing, the source is empty,
    or ``out`` has no listing, like files prepared by earlier versions or copied from elsewhere.

    Raises:
        DataError: naming a file of the source that cannot be read.

    """
    before = None if source is None else _read(out)
    if source is None or before is None:
        return None
    now = dict(_files(source))
    if not now:
        return None
    changed, moved = [], False
    for name in sorted(before.keys() & now.keys()):
        stamp = _stamp(now[name])
        if before[name][:-1] == stamp:
            continue
        if before[name][0] != stamp[0] or before[name][-1] != _digest(now[name]):
            changed.append(name)
        before[name], moved = [*stamp, before[name][-1]], True
    found = Changes(sorted(now.keys() - before), sorted(before.keys() - now), changed)
    if found:
        return found
    if moved:  # the same content at new times: the next comparison is quick again
        with suppress(DataError):
            write_listing(before, out)
    return None


def _files(source: Path) -> Iterator[tuple[str, str]]:
    """Yield the files of a source with their names in it; an archive is one file."""
    if not source.is_dir():
        if source.exists():
            yield source.name, str(source)
        return
    for folder, subfolders, files in os.walk(source, onerror=_refuse, followlinks=True):
        subfolders[:] = [name for name in subfolders if not is_litter(name)]
        inside = Path(folder).relative_to(source).as_posix()
        for name in files:
            if not is_litter(name):
                yield name if inside == "." else f"{inside}/{name}", f"{folder}/{name}"


def _stamp(path: str) -> Entry:
    try:
        found = os.stat(path)  # called many thousands of times: a Path would take twice as long
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(found.st_mode):  # reading a pipe would never end
        raise DataError(f"{path} is not a file; remove it")
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> DataError:
    fix = "restore or remove it" if error.errno == errno.ENOENT else "change its permissions"
    return DataError(f"{path} cannot be read ({error.strerror}); {fix}")


def _refuse(error: OSError) -> None:
    raise _unreadable(str(error.filename), error) from error


def _read(out: Path) -> dict[str, Entry] | None:
    """Return the listing of a prepared file; None if it has none, or one of another file."""
    try:
        content = json.loads(listing_path(out).read_text(encoding="utf-8"))
        if content["format"] == FORMAT and content["of"] == identity(out):
            return dict(content["files"])
    except UNREADABLE:
        pass
    return None


def identity(out: Path) -> list[list[Any]]:
    """Return the names, sizes and checksums of the arrays in a prepared file, which are not read.

    Raises:
        OSError, zipfile.BadZipFile: if there is no such file.

    """
    with zipfile.ZipFile(out) as archive:
        return [[it.filename, it.file_size, it.CRC] for it in archive.infolist()]
