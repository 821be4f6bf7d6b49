"""The kinds of data: a file of ``data/sources`` declares one, and this module keeps the list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fggp.data.dataset import DataError, Dataset
from fggp.data.sizes import Size, recorded_size

Progress = Callable[[int], None]
Note = Callable[[str], None]


@dataclass(frozen=True)
class Archive:
    """A file that a data set is unpacked from.

    Attributes:
        name: name of the file, a path inside the data folder.
        md5: checksum of the file.
        url: address for the download.

    """

    name: str
    md5: str
    url: str


@dataclass(frozen=True)
class Request:
    """A request for a data set: folders, path and callbacks.

    Attributes:
        root: the data folder.
        path: the folder or archive that ``data.path`` names; None if the kind needs none.
        progress: called from time to time with the number of images done, if anything.
        note: called with a line that the user should read, if anything.

    """

    root: Path
    path: Path | None = None
    progress: Progress | None = None
    note: Note | None = None


@dataclass(frozen=True)
class Source:
    """A registered kind of data.

    Attributes:
        kind: name in configurations.
        read: makes the data set.
        size: size of its images, used while there is no prepared file.
        gpu: whether its trainings ask for a GPU.
        path: whether a study has to name a folder or archive, as ``data.path``.
        archives: files that it is unpacked from; none for a kind that needs no download.

    """

    kind: str
    read: Callable[[Request], Dataset]
    size: Size
    gpu: bool
    path: bool
    archives: tuple[Archive, ...]


SOURCES: dict[str, Source] = {}


def source(
    *, size: Size, gpu: bool = True, path: bool = False, archives: tuple[Archive, ...] = ()
) -> Callable[[Callable[[Request], Dataset]], Callable[[Request], Dataset]]:
    """Register the decorated function as the kind of data with its name; see `Source`."""

    def keep(read: Callable[[Request], Dataset]) -> Callable[[Request], Dataset]:
        kind = read.__name__
        if kind in SOURCES:
            raise ValueError(f"two kinds of data are called {kind!r}; rename one of the functions")
        SOURCES[kind] = Source(kind, read, size, gpu, path, archives)
        return read

    return keep


def find(kind: str) -> Source:
    """Return a kind of data by name; raises DataError for an unknown one."""
    if kind not in SOURCES:
        raise DataError(f"unknown kind of data {kind!r}; use one of {', '.join(sorted(SOURCES))}")
    return SOURCES[kind]


def size_of(kind: str, path: Path) -> Size:
    """Return the size of a data set from its prepared file, or else as declared by its kind."""
    return recorded_size(path) or find(kind).size
