"""Read ``train|test/<class>/<image>`` from a folder or an archive."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from fggp.data.archives import LARGEST_FILE, Entry, entries, is_litter
from fggp.data.dataset import DataError, Dataset
from fggp.data.images import SUFFIXES, decode, mean_and_std
from fggp.data.registry import Request, source
from fggp.data.sizes import Size

PARTS = ("train", "test")
_LAYOUT = "use train/<class>/<image> and test/<class>/<image>"
_REPORT_EVERY = 1000

Place = tuple[str, str, str]


@source(size=Size(50_000, 10_000, 32, known=False), path=True)  # taken for one like CIFAR-10
def folder(request: Request) -> Dataset:
    """Read all images of a folder or archive into a data set.

    It holds ``train`` and ``test``, each with one folder per class, below any folders. Images are
    ordered by class and file name, whatever the order in the archive.

    Raises:
        DataError: naming the file that cannot be used.

    """
    assert request.path is not None
    path, progress = request.path, request.progress
    collected = _Collected()
    for entry in entries(path):
        place = _place(entry)
        if place is not None:
            collected.add(place, entry)
            if progress is not None and collected.count % _REPORT_EVERY == 0:
                progress(collected.count)
    if path.is_dir():
        _refuse_empty(path, collected)
    classes = _classes(path, collected)
    if progress is not None:
        progress(collected.count)
    train_images, train_labels = collected.take("train", classes)
    test_images, test_labels = collected.take("test", classes)
    mean, std = mean_and_std(train_images, str(path))
    return Dataset(
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        classes=tuple(classes),
        mean=mean,
        std=std,
    )


class _Collected:
    """Pixels in the order they came, as bytes that grow, and where each image belongs."""

    def __init__(self) -> None:
        self.pixels = {part: bytearray() for part in PARTS}
        self.places: dict[str, list[tuple[str, str]]] = {part: [] for part in PARTS}
        self.seen: dict[Place, str] = {}
        self.first = ""
        self.shape: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """The number of images so far."""
        return len(self.seen)

    def add(self, place: Place, entry: Entry) -> None:
        """Decode one image."""
        if place in self.seen:
            other = self.seen[place]
            raise DataError(f"{entry.name} has the same path as {other}; remove one of the two")
        data = entry.read()
        if len(data) > LARGEST_FILE:
            raise DataError(f"{entry.name} is larger than 1 MiB; save it again without metadata")
        pixels = decode(data, entry.name)
        if not self.seen:
            self.shape, self.first = pixels.shape, entry.name
        if pixels.shape != self.shape:
            found, wanted = (f"{shape[2]}x{shape[1]}" for shape in (pixels.shape, self.shape))
            expected = f"{wanted}, the size of {self.first}, is expected"
            raise DataError(f"{entry.name} is {found} pixels but {expected}; resize one of them")
        self.seen[place] = entry.name
        self.places[place[0]].append(place[1:])
        self.pixels[place[0]] += pixels.tobytes()

    def take(self, part: str, classes: list[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Hand over the sorted images and labels of one part, and forget them."""
        places = self.places.pop(part)
        order = sorted(range(len(places)), key=places.__getitem__)
        images = np.frombuffer(self.pixels.pop(part), np.uint8).reshape(-1, *self.shape)[order]
        number = {name: i for i, name in enumerate(classes)}
        return images, np.array([number[places[i][0]] for i in order], np.int64)


def _place(entry: Entry) -> Place | None:
    """Return part, class and file name; None for a file that is not part of the data."""
    names = PurePosixPath(entry.path.replace("\\", "/")).parts
    if any(is_litter(name) for name in names) or not set(PARTS).intersection(names[:-1]):
        return None
    if len(names) < 3 or names[-3] not in PARTS:
        raise DataError(f"{entry.name} is not in a class folder; {_LAYOUT}, or remove it")
    if not names[-1].lower().endswith(SUFFIXES):
        raise DataError(
            f"{entry.name} is not an image ({', '.join(SUFFIXES)}); convert or remove it"
        )
    if entry.is_link:
        raise DataError(f"{entry.name} is a link; put the image itself into the archive")
    return names[-3], names[-2], names[-1]


def _refuse_empty(source: Path, collected: _Collected) -> None:
    """A class without images is more likely a copy that failed than meant."""
    held = {place[:2] for place in collected.seen}
    for part in PARTS:
        for folder in sorted(source.glob(f"**/{part}/*/")):
            if (part, folder.name) not in held and not is_litter(folder.name):
                raise DataError(f"{folder} has no images; put its images there, or remove it")


def _classes(source: Path, collected: _Collected) -> list[str]:
    train, test = ({name for name, _ in collected.places[part]} for part in PARTS)
    for part, found in zip(PARTS, (train, test), strict=True):
        if not found:
            raise DataError(f"{source} has no images in a folder {part}; {_LAYOUT}")
    for name in sorted(train ^ test):
        has, lacks = PARTS if name in train else PARTS[::-1]
        raise DataError(
            f"{source}: class {name!r} is in {has} but not in {lacks}; "
            f"add {lacks}/{name} or remove {has}/{name}"
        )
    if len(train) < 2:
        raise DataError(f"{source} has one class, {train.pop()!r}; give it at least two")
    return sorted(train)
