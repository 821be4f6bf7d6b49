"""Checks that cells fit their images, made when a study is read and not when it trains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import ceil

from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.foundation.exact import plain
from fggp.foundation.validation import ConfigError
from fggp.pruning import Grasp
from fggp.study.cell import Cell
from fggp.study.protocol import method_of, recipe_of
from fggp.study.single_images import trains_on_one_image


def check_fit(cells: Iterable[Cell], size: Size) -> None:
    """Check cells against their images.

    Args:
        cells: cells of one study; other seeds make no difference.
        size: size of its data set.

    Raises:
        ConfigError: naming each key once, its value and the nearest valid one.

    """
    found: dict[str, str] = {}
    for cell in cells:
        for complaint in _misfits(cell, size):
            found.setdefault(complaint.partition(":")[0], complaint)
    if found:
        raise ConfigError(*found.values())


def _misfits(cell: Cell, size: Size) -> Iterator[str]:
    too_many = list(_counts(cell, size.train))
    yield from too_many
    training = cell.training
    if training.pad_mode == "reflect" and training.pad >= size.side:
        yield (
            f"training.pad: {training.pad} must be less than the {size.side} pixels of an image; "
            f"the nearest valid is {size.side - 1}, or pad_mode: zero"
        )
    if not too_many:
        images = _trained_on(cell, size.train)
        yield from _window(cell, ceil(images / training.batch_size))
        yield from _single(cell, images, size.side)


def _trained_on(cell: Cell, images: int) -> int:
    return cell.data.train or images - cell.data.validation


def _counts(cell: Cell, images: int) -> Iterator[str]:
    data, training = cell.data, cell.training
    left = images - data.validation
    if left < 1:
        yield (
            f"data.validation: {data.validation} leaves none of the {images} training images of "
            f"{data.name} to train on; the nearest valid is {images - 1}"
        )
        return
    if data.train is not None and data.train > left:
        yield (
            f"data.train: {data.train} is more than the {left} images that validation leaves of "
            f"the {images} of {data.name}; the nearest valid is {left}"
        )
        return
    trained_on = _trained_on(cell, images)
    if training.batch_size > trained_on:
        yield (
            f"training.batch_size: {training.batch_size} is more than the {trained_on} images to "
            f"train on; the nearest valid is {trained_on}"
        )


def _window(cell: Cell, steps: int) -> Iterator[str]:
    try:
        method_of(cell, steps)
    except Failure:
        pruning, begin = cell.pruning, cell.pruning.begin_epoch * steps
        window = pruning.end(cell.training.epochs * steps, steps) - begin
        if window < 1:
            yield (
                f"pruning.end_share: {plain(pruning.end_share or Fraction(0))} of the training is "
                f"not after pruning.begin_epoch, {pruning.begin_epoch}; begin earlier"
            )
            return
        yield (
            f"pruning.update_every: {pruning.update_every} is longer than the pruning window of "
            f"{window} steps ({steps} an epoch), so that {cell.label} would never prune; the "
            f"nearest valid is {window}"
        )


def _single(cell: Cell, images: int, side: int) -> Iterator[str]:
    """Yield the batches of one image that the network cannot train on."""
    size = cell.training.batch_size
    alone = size == 1 or images % size == 1
    # Gradient signal preservation uses the halves of a batch separately.
    halved = images in (2, 3) and isinstance(recipe_of(cell).initial, Grasp)
    backbone = cell.backbone
    if not (alone or halved) or trains_on_one_image(backbone, side):
        return
    why = f"on which {backbone.name} cannot train: its batch normalization sees one value there"
    if not alone:
        yield (
            f"data.train: of {images} images, {cell.label} halves the batch to one image, {why}; "
            "the nearest valid is 4"
        )
        return
    valid = next((it for it in range(max(size, 2), images + 1) if images % it != 1), None)
    fix = f"the nearest valid is {valid}" if valid else "train on more images"
    if size == 1:
        yield f"training.batch_size: 1 image is a batch, {why}; {fix}"
        return
    yield (
        f"training.batch_size: {size} leaves one of {images} images for the last batch, {why}; "
        f"{fix}, or data.train: {images - 1}"
    )
