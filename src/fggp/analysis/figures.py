"""Figures by name: a table of runs in; a PDF, a PNG and the data they show out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure
from pandas import DataFrame

from fggp.analysis.accuracy import accuracy_vs_sparsity
from fggp.analysis.frames import read_runs, title
from fggp.analysis.style import save, styled
from fggp.complaints import nearest
from fggp.results import ResultError

FIGURES: dict[str, Callable[[DataFrame, str], tuple[Figure, DataFrame]]] = {
    "accuracy_vs_sparsity": accuracy_vs_sparsity,
}


def write_figure(name: str, study_folder: Path) -> list[Path]:
    """Write ``figures/NAME.pdf``, ``.png`` and ``.csv`` from ``runs.csv`` of a study.

    Raises ResultError where no figure has that name, or ``runs.csv`` cannot be read.
    """
    if name not in FIGURES:
        raise ResultError(f"no figure is called {name!r}{nearest(name, list(FIGURES))}")
    runs = read_runs(study_folder)
    with styled():
        figure, data = FIGURES[name](runs, title(study_folder))
        return save(figure, study_folder / "figures" / name, data)
