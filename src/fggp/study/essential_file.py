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
        weights_sha256: checksum from its result, of all tensors of the network.
        sparsity: share of the prunable weights that are zero.
        kept: number of weights left.
        weights: number of all prunable weights.
        correct: number of correctly classified test images.
        images: number of test images.
        device: ``cpu`` or ``cuda``.
        device_name: name of the device.
        torch: version of PyTorch.
        measured: time of the measurement, UTC.

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
    """Return the rows of a file, none if there is no file.

    Raises:
        ResultError: where the file is damaged.

    """
    return read_rows(path, Essential, "essential", "one-shot accuracies")


def write_essential(path: Path, rows: Sequence[Essential]) -> None:
    """Write rows atomically; existing rows of other cells stay."""
    write_rows(path, "essential", read_essential(path), rows)


def knee(correct: Sequence[int], images: int, points: float = 1.0) -> int:
    """Return the index of the last accuracy before it first falls some points below dense.

    Args:
        correct: correctly classified test images, by ascending sparsity; the first is dense.
        images: number of test images.
        points: allowed loss of accuracy, in percentage points.

    """
    least = correct[0] - points / 100 * images
    fallen = (place for place, it in enumerate(correct) if it < least)
    return next(fallen, len(correct)) - 1
