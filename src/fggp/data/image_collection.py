"""Images of classes, read one by one from a folder or an archive, with all their problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fggp.data.archives import LARGEST_FILE, Entry
from fggp.data.dataset import DataError, Dataset
from fggp.data.images import SUFFIXES, decode, mean_and_std
from fggp.data.registry import Progress

PARTS = ("train", "test")
MOST = 10
"""The number of problems that are listed."""
_REPORT_EVERY = 1000


class Place(NamedTuple):
    """The place of an image: "train" or "test", its class, and the name of its file."""

    part: str
    label: str
    name: str


class Images:
    """Pixels in order of arrival, the place of each image, and all problems.

    Args:
        progress: called from time to time with the number of images done, if anything.

    Attributes:
        places: place of every image, usable or not.
        problems: the problems, one line each.

    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.places: dict[Place, str] = {}
        self.problems: list[str] = []
        self._pixels = {part: bytearray() for part in PARTS}
        self._order: dict[str, list[Place]] = {part: [] for part in PARTS}
        self._first = ""
        self._shape: tuple[int, ...] = ()
        self._progress = progress

    def add(self, place: Place, entry: Entry) -> None:
        """Read one image; an error in it becomes a problem."""
        try:
            if place in self.places:
                other = self.places[place]
                raise DataError(f"{entry.name} has the same path as {other}; remove one of the two")
            self.places[place] = entry.name
            self._keep(place, _pixels(entry), entry.name)
        except DataError as error:
            self.problems.append(str(error))
        if self._progress is not None and len(self.places) % _REPORT_EVERY == 0:
            self._progress(len(self.places))

    def _keep(self, place: Place, pixels: NDArray[np.uint8], name: str) -> None:
        if not self._first:
            self._shape, self._first = pixels.shape, name
        if pixels.shape != self._shape:
            found, wanted = (f"{shape[2]}x{shape[1]}" for shape in (pixels.shape, self._shape))
            expected = f"{wanted}, the size of {self._first}, is expected"
            raise DataError(f"{name} is {found} pixels but {expected}; resize one of them")
        self._order[place.part].append(place)
        self._pixels[place.part] += pixels.tobytes()

    def classes(self, part: str) -> set[str]:
        """Return the classes that have an image in a part, usable or not."""
        return {place.label for place in self.places if place.part == part}

    def dataset(self, source: Path) -> Dataset:
        """Return all images, ordered by class and file name, and forget them.

        Raises:
            DataError: if there are problems; it lists at most `MOST` and the number of the others.

        """
        if self.problems:
            listed = self.problems[:MOST]
            more = len(self.problems) - MOST
            raise DataError(" | ".join(listed + [f"and {more} more"] * (more > 0)))
        if self._progress is not None:
            self._progress(len(self.places))
        classes = sorted(self.classes("train"))
        number = {name: place for place, name in enumerate(classes)}
        train_images, train_labels = self._taken("train", number)
        test_images, test_labels = self._taken("test", number)
        mean, std = mean_and_std(train_images, str(source))
        return Dataset(
            train_images=train_images,
            train_labels=train_labels,
            test_images=test_images,
            test_labels=test_labels,
            classes=tuple(classes),
            mean=mean,
            std=std,
        )

    def _taken(
        self, part: str, number: Mapping[str, int]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        places = self._order.pop(part)
        order = sorted(range(len(places)), key=places.__getitem__)
        images = np.frombuffer(self._pixels.pop(part), np.uint8).reshape(-1, *self._shape)[order]
        return images, np.array([number[places[it].label] for it in order], np.int64)


def class_problems(source: Path, images: Images, layout: str) -> Iterable[str]:
    """Yield the problems of a source's classes; ``layout`` describes the expected folders."""
    train, test = (images.classes(part) for part in PARTS)
    absent = [part for part, found in zip(PARTS, (train, test), strict=True) if not found]
    for part in absent:
        yield f"{source} has no images in a folder {part}; {layout}"
    if absent:
        return
    for name in sorted(train ^ test):
        has, lacks = PARTS if name in train else PARTS[::-1]
        yield (
            f"{source}: class {name!r} is in {has} but not in {lacks}; "
            f"add {lacks}/{name} or remove {has}/{name}"
        )
    if len(train | test) < 2:
        yield f"{source} has one class, {min(train)!r}; give it at least two"


def check_image(entry: Entry) -> None:
    """Raise DataError for a file without the name of an image, and for a link in an archive."""
    if not entry.path.lower().endswith(SUFFIXES):
        raise DataError(
            f"{entry.name} is not an image ({', '.join(SUFFIXES)}); convert or remove it"
        )
    if not entry.is_file:
        raise DataError(f"{entry.name} is a link or a special file; put the image itself there")


def _pixels(entry: Entry) -> NDArray[np.uint8]:
    data = entry.read()
    if len(data) > LARGEST_FILE:
        raise DataError(f"{entry.name} is larger than 1 MiB; save it again without metadata")
    return decode(data, entry.name)
