"""Dependencies between cells: the trained network that a cell starts from."""

from __future__ import annotations

from fggp.methods import METHODS
from fggp.study.cell import Cell, MethodSettings

DENSE = "dense"


def origin(cell: Cell) -> Cell | None:
    """Return the dense cell that a cell starts from, or None if it starts from none."""
    if not from_trained(cell.method):
        return None
    return cell.model_copy(
        update={
            "label": DENSE,
            "method": MethodSettings(name=DENSE, settings=METHODS[DENSE].defaults),
            "sparsity": 0,
            "initial_sparsity": 0,
        }
    )


def from_trained(method: MethodSettings) -> bool:
    """Whether a method starts from the trained dense network."""
    return METHODS[method.name].recipe(**method.settings).fine_tune is not None
