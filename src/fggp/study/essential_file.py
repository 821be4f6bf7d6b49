"""``essential.json``: accuracies of trained dense networks without their smallest weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.study.cell import Record

ESSENTIAL = "essential.json"
"""The file, in the folder of a study."""


class Essential(Record):
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

    cell: str
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
    if not path.exists():
        return []
    try:
        return [Essential.model_validate(it) for it in json.loads(path.read_text())["essential"]]
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(
            f"{path}: not a file of one-shot accuracies ({reason}); delete it and measure again"
        ) from None


def write_essential(path: Path, rows: Sequence[Essential]) -> None:
    """Write rows, whole or not at all; those of other cells that are there stay."""
    cells = {it.cell for it in rows}
    kept = [it for it in read_essential(path) if it.cell not in cells]
    content: dict[str, Any] = {
        "essential": [it.model_dump() for it in sorted([*kept, *rows], key=lambda it: it.cell)]
    }
    write_text(path, json.dumps(content, indent=1) + "\n")


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
