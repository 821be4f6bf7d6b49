"""``essential.json``: accuracies of trained dense networks without their smallest weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fggp.study.measured_rows import MeasuredRow, read_rows, write_rows

ESSENTIAL = "essential.json"
"""The file, in the folder of a study."""


class Essential(MeasuredRow):
    """The accuracy of one network at one sparsity, pruned at once and not trained further.

    Attributes:
        cell: the name of the dense cell.
        weights_sha256: that of its result: of all tensors of the network.
        sparsity: the share of the prunable weights that is zero.
        kept: the weights that are left.
        weights: all prunable weights.
        correct: test images whose class is named.
        images: of the test set.
        device: what computed: ``cpu`` or ``cuda``.
        device_name: its name.
        torch: its version.
        measured: when, UTC.

    """

    weights_sha256: str
    sparsity: float
    kept: int
    weights: int
    correct: int
    images: int
    device: str
    device_name: str
    torch: str
    measured: str


def read_essential(path: Path) -> list[Essential]:
    """Return the rows of a file, none where there is no file.

    Raises:
        ResultError: where it is damaged.

    """
    return read_rows(path, Essential, "essential", "one-shot accuracies")


def write_essential(path: Path, rows: Sequence[Essential]) -> None:
    """Write rows, whole or not at all; those of other cells that are there stay."""
    write_rows(path, "essential", read_essential(path), rows)


def knee(correct: Sequence[int], images: int, points: float = 1.0) -> int:
    """Return the place of the last accuracy before it first falls some points below dense.

    Args:
        correct: test images whose class is named, by ascending sparsity; the first is dense.
        images: of the test set.
        points: of accuracy, in percent, by which it may be lower.

    """
    least = correct[0] - points / 100 * images
    fallen = (place for place, it in enumerate(correct) if it < least)
    return next(fallen, len(correct)) - 1
