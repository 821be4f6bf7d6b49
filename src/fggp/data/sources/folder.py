"""Read ``train|test/<class>/<image>`` from a folder or an archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from fggp.data.archives import Entry, entries, is_litter
from fggp.data.dataset import DataError, Dataset
from fggp.data.image_collection import PARTS, Images, Place, check_image, class_problems
from fggp.data.registry import Request, source
from fggp.data.sizes import Size

_LAYOUT = "use train/<class>/<image> and test/<class>/<image>"
_TINY_IMAGENET = "val_annotations.txt"


@source(size=Size(50_000, 10_000, 32, known=False), path=True)  # taken for one like CIFAR-10
def folder(request: Request) -> Dataset:
    """Read all images of a folder or archive into a data set.

    It contains ``train`` and ``test`` at any depth, each with one folder per class. Images are
    ordered by class and file name, whatever the order in the archive.

    Raises:
        DataError: naming all files that cannot be used, and the problems of the classes.

    """
    assert request.path is not None
    path, images = request.path, Images(request.progress)
    tiny = ""
    try:
        for entry in entries(path):
            tiny = entry.name if entry.path.endswith(_TINY_IMAGENET) else tiny
            _add(entry, images)
    except DataError as error:  # an error of the source itself: its other files are unknown
        images.problems.append(str(error))
    else:
        images.problems += class_problems(path, images, _LAYOUT)
        if path.is_dir():
            images.problems += _empty(path, images)
    if images.problems and tiny:
        images.problems.insert(0, f"{tiny} is of Tiny-ImageNet; use data.kind: tinyimagenet")
    return images.dataset(path)


def _add(entry: Entry, images: Images) -> None:
    """Read one file, or record its problem."""
    try:
        place = _place(entry)
    except DataError as error:
        images.problems.append(str(error))
        return
    if place is not None:
        images.add(place, entry)


def _place(entry: Entry) -> Place | None:
    """Return where an image belongs; None for a file that is not part of the data."""
    names = PurePosixPath(entry.path.replace("\\", "/")).parts
    if any(is_litter(name) for name in names) or not set(PARTS).intersection(names[:-1]):
        return None
    if len(names) < 3 or names[-3] not in PARTS:
        raise DataError(f"{entry.name} is not in a class folder; {_LAYOUT}, or remove it")
    check_image(entry)
    return Place(*names[-3:])


def _empty(source: Path, images: Images) -> Iterator[str]:
    """Yield the problems of classes without images, which suggest a failed copy."""
    held = {place[:2] for place in images.places}
    for part in PARTS:
        for folder in sorted(source.glob(f"**/{part}/*/")):
            if (part, folder.name) not in held and not is_litter(folder.name):
                yield f"{folder} has no images; put its images there, or remove it"
