"""The facts of the discussion: how far apart the shipped grids and the paper's grid are."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from pathlib import Path
from typing import Any

from fggp.foundation.quantities import percent
from fggp.study.cell import Cell
from fggp.study.config import cells, load
from fggp.study.costs import parameters

Row = dict[str, Any]


def scales(studies: Sequence[str], config: Path) -> list[Row]:
    """Return the size of the trainings of each study, one row per study and network.

    A row has ``study``, ``network``, ``width``, ``epochs``, ``images`` (for training; None for all
    of a data set), ``seeds``, ``sparsity`` (the highest, in words) and ``kept`` (approximate number
    of weights left, None if not known).
    """
    found = []
    for study in studies:
        grid = cells(load(config / f"{study}.yaml"))
        seeds = len({cell.seed for cell in grid})
        for name in dict.fromkeys(cell.backbone.name for cell in grid):
            sparsest = max((it for it in grid if it.backbone.name == name), key=_sparsity)
            found.append({"study": study, "seeds": seeds} | _scale(sparsest))
    return found


def across(studies: Sequence[Row], claim: str) -> list[Row]:
    """Return the result of each study for a claim, without studies that cannot decide it.

    Takes studies and a claim as in the report; a row is that of the table ``claims`` with the
    study's name as ``shown_by``.
    """
    rows = [
        row | {"shown_by": study["name"]}
        for study in studies
        for row in study["claims"]
        if row["says"] == claim
    ]
    return [row for row in rows if row["figure"]]


def _sparsity(cell: Cell) -> float:
    return float(cell.sparsity)


def _scale(cell: Cell) -> Row:
    weights = parameters(cell)
    return {
        "network": cell.backbone.name,
        "width": str(cell.backbone.width),
        "epochs": cell.training.epochs,
        "images": cell.data.train,
        "sparsity": percent(float(cell.sparsity)),
        "kept": None if weights is None else floor(weights * (1 - cell.sparsity)),
    }
