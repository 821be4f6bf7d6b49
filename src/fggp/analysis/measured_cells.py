"""The cells behind the rows of a file of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell
from fggp.study.measured_rows import MeasuredRow
from fggp.study.study_folder import read_expected


def cells_behind(path: Path, rows: Sequence[MeasuredRow], verb: str) -> dict[str, tuple[int, Cell]]:
    """Return the cells of a study by name, each with its place.

    Args:
        path: the file of the measurements, in the folder of the study.
        rows: the rows of the file.
        verb: the command that measures.

    Raises:
        ResultError: if a row is of a cell that the study does not have.

    """
    cells = {cell.id: (place, cell) for place, cell in enumerate(read_expected(path.parent)[1])}
    unknown = {it.cell for it in rows} - cells.keys()
    if unknown:
        raise ResultError(
            f"{path}: {min(unknown)} is not a cell of the study; delete the file, and measure "
            f"again with `fggp {verb} {quote(path.parent.name)}`"
        )
    return cells
