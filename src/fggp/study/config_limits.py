"""Whether cells fit their images: said when a study is read, and not first when it trains."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil

from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.foundation.exact import plain
from fggp.foundation.validation import ConfigError
from fggp.study.cell import Cell
from fggp.study.protocol import method_of


def check_fit(cells: Iterable[Cell], size: Size) -> None:
    """Check cells against their images.

    Args:
        cells: of one study; other seeds and backbones make no difference.
        size: of its data set.

    Raises:
        ConfigError: naming the key, its value and the nearest valid one.

    """
    for cell in cells:
        _check_images(cell, size.train, size.side)
        _check_window(cell, ceil(_trained_on(cell, size.train) / cell.training.batch_size))


def _trained_on(cell: Cell, images: int) -> int:
    return cell.data.train or images - cell.data.validation


def _check_images(cell: Cell, images: int, side: int) -> None:
    data, training = cell.data, cell.training
    left = images - data.validation
    if left < 1:
        raise ConfigError(
            f"data.validation: {data.validation} leaves none of the {images} training images of "
            f"{data.name} to train on; the nearest valid is {images - 1}"
        )
    if data.train is not None and data.train > left:
        raise ConfigError(
            f"data.train: {data.train} is more than the {left} images that validation leaves of "
            f"the {images} of {data.name}; the nearest valid is {left}"
        )
    trained_on = _trained_on(cell, images)
    if training.batch_size > trained_on:
        raise ConfigError(
            f"training.batch_size: {training.batch_size} is more than the {trained_on} images to "
            f"train on; the nearest valid is {trained_on}"
        )
    if training.pad_mode == "reflect" and training.pad >= side:
        raise ConfigError(
            f"training.pad: {training.pad} must be less than the {side} pixels of an image; "
            f"the nearest valid is {side - 1}, or pad_mode: zero"
        )


def _check_window(cell: Cell, steps: int) -> None:
    try:
        method_of(cell, steps)
    except Failure:
        pruning, begin = cell.pruning, cell.pruning.begin_epoch * steps
        window = pruning.end(cell.training.epochs * steps, steps) - begin
        if window < 1:
            raise ConfigError(
                f"pruning.end_share: {plain(pruning.end_share or Fraction(0))} of the training is "
                f"not after pruning.begin_epoch, {pruning.begin_epoch}; begin earlier"
            ) from None
        raise ConfigError(
            f"pruning.update_every: {pruning.update_every} is longer than the pruning window of "
            f"{window} steps ({steps} an epoch), so that {cell.label} would never prune; the "
            f"nearest valid is {window}"
        ) from None
