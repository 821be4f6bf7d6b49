"""The cells behind the rows of a file of measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from shlex import quote

from pandas import DataFrame, Series

from fggp.analysis.collect.rows import KEYS
from fggp.analysis.collect.runs_csv import read_runs
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell
from fggp.study.measured_rows import MeasuredRow
from fggp.study.study_folder import argument, read_expected


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
            f"again with `fggp {verb} {quote(argument(path.parent))}`"
        )
    return cells


def refuse_former(
    path: Path, data: DataFrame, verb: str, former: Callable[[DataFrame], Series]
) -> None:
    """Refuse measurements of networks that are not those of ``runs.csv``, next to the file.

    Args:
        path: the file of the measurements, in the folder of the study.
        data: its rows, with the columns that identify a cell.
        verb: the command that measures.
        former: from the rows, with the columns ``finished`` and ``trained_sha256`` of the training
            in ``runs.csv``, whether each is of another training.

    Raises:
        ResultError: if one is.

    """
    runs = read_runs(path.parent).rename(columns={"weights_sha256": "trained_sha256"})
    keyed = data.astype({"initial_sparsity": "float64"})
    both = keyed.merge(runs[[*KEYS, "finished", "trained_sha256"]], on=list(KEYS))
    cells = sorted(set(both.loc[former(both), "cell"]))
    if cells:
        study = quote(argument(path.parent))
        raise ResultError(
            f"{path}: {cells[0]} was measured on another training than that in runs.csv; measure "
            f"again with `fggp {verb} {study}`, after `fggp aggregate {study}` if results are new"
        )
