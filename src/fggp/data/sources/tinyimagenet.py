"""Tiny-ImageNet as in ``tiny-imagenet-200.zip``, unpacked or not."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from fggp.data.archives import Entry, entries, is_litter
from fggp.data.dataset import DataError, Dataset
from fggp.data.image_collection import Images, Place, check_image, class_problems
from fggp.data.registry import Request, source
from fggp.data.sizes import Size

ANNOTATIONS = ("val", "val_annotations.txt")
_LAYOUT = "use tiny-imagenet-200 as it was packed"


@source(size=Size(100_000, 10_000, 64, classes=200), path=True)
def tinyimagenet(request: Request) -> Dataset:
    """Read Tiny-ImageNet (Le & Yang 2015): 200 classes of images of 64×64 pixels.

    Training images are ``train/<class>/images/*.JPEG``, without their boxes. Test images are
    ``val/images/*.JPEG`` with the classes of ``val/val_annotations.txt``. ``test/`` has no labels:
    its images are omitted, and `Request.note` is called with their number.

    Raises:
        DataError: naming all files that cannot be used, and the problems of the classes.

    """
    assert request.path is not None
    path, images = request.path, Images(request.progress)
    try:
        classes, unlabelled = _annotated(path)
        for entry in entries(path):
            _add(entry, images, classes)
    except DataError as error:  # an error of the source itself: its other files are unknown
        images.problems.append(str(error))
    else:
        there = {place.name for place in images.places if place.part == "test"}
        images.problems += (
            f"{path}: val/images/{name} is missing; copy or unpack it again"
            for name in sorted(classes.keys() - there)
        )
        images.problems += class_problems(path, images, _LAYOUT)
        if unlabelled and request.note is not None:
            request.note(
                f"{path}: the {unlabelled} images of test/ have no labels and are left out"
            )
    return images.dataset(path)


def _annotated(source: Path) -> tuple[dict[str, str], int]:
    """Return the class of each image in ``val`` by its name, and the number of images in ``test``.

    Raises DataError if the annotations are missing or not a table.
    """
    classes: dict[str, str] = {}
    unlabelled, found = 0, ""
    for entry in entries(source):
        names = _names(entry)
        unlabelled += names[-3:-1] == ("test", "images")
        if names[-2:] == ANNOTATIONS:
            found, rows = entry.name, entry.read().decode("utf-8", "replace").splitlines()
            classes = {name: label for name, label, *_ in ([*it.split("\t"), ""] for it in rows)}
    if not found:
        raise DataError(f"{source} has no {'/'.join(ANNOTATIONS)}; {_LAYOUT}")
    if not all(classes.values()):
        raise DataError(f"{found} is not a table of names and classes; copy or unpack it again")
    return classes, unlabelled


def _add(entry: Entry, images: Images, classes: dict[str, str]) -> None:
    """Read one file, or record its problem."""
    names = _names(entry)
    if any(is_litter(name) for name in names):
        return
    try:
        if names[-4:-3] == ("train",) and names[-2] == "images":
            check_image(entry)
            images.add(Place("train", names[-3], names[-1]), entry)
        elif names[-3:-1] == ("val", "images"):
            check_image(entry)
            if names[-1] not in classes:
                raise DataError(f"{entry.name} is not in {'/'.join(ANNOTATIONS)}; remove it")
            images.add(Place("test", classes[names[-1]], names[-1]), entry)
    except DataError as error:
        images.problems.append(str(error))


def _names(entry: Entry) -> tuple[str, ...]:
    return PurePosixPath(entry.path.replace("\\", "/")).parts
