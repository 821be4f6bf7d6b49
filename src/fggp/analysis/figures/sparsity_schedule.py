"""Sparsity after each mask update, compared with the schedule."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.rows import KEYS, keys
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import WINDOW, called, everyone, number, squeezed
from fggp.analysis.figures.label_groups import SHARED, alike
from fggp.analysis.figures.layout import Drawn, blank, head, legend, over_epochs, places
from fggp.analysis.study_tables import Material
from fggp.foundation.errors import ResultError
from fggp.methods import METHODS
from fggp.pruning.timing import Method
from fggp.study.protocol import method_of

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "seed", "update", "step", "x",
    "realised_sparsity", "scheduled_sparsity",
]  # fmt: skip
LINE = ["backbone", "start", "label", "sparsity"]
RUN = [*LINE, "seed"]


@figure("Diagnostics", place=2)
def sparsity_schedule(material: Material) -> Drawn:
    """The sparsity of the network after each mask update, and the schedule.

    Sparsity of the whole network after each recorded mask update (steps), and the scheduled
    sparsity at that update (thin black line), for every sparsity of the study. Labels with the same
    steps share a line. The pruning window is shaded. Every seed is drawn; the number of seeds n is
    given below. Methods that train in rounds are squeezed into the epochs of the study.

    Returns:
        The figure, and a row per training and recorded update, and one before the first (``update``
        0). ``scheduled_sparsity`` is missing if the configuration or the method is not available.

    """
    chosen = material.shown[material.shown["label"] != DENSE]
    if chosen.empty:
        return blank("no results of sparse networks yet", COLUMNS)
    data = _courses(material, chosen)
    figure, grid = over_epochs(material, data, ["sparsity (%)"], 2.2)
    moved = data.groupby(RUN)["realised_sparsity"].diff().fillna(1) != 0
    groups = alike(data[moved], ["realised_sparsity"])
    looks = {it: SHARED if others else material.looks[it] for it, others in groups.items()}
    for axes, (_, facet) in zip(grid[0], places(data), strict=True):
        end = axes.get_xlim()[1]
        for first, look in looks.items():
            _steps(axes, facet[facet["label"] == first], look, end)
    names = called(groups, material.names)
    legend(figure, looks | {"schedule": Look("black", "")}, names)
    many = number(data.groupby(LINE)["seed"].nunique())
    meaning = f"Steps: after each recorded mask update, {many}; thin black: the schedule"
    words = f"{meaning}; {WINDOW}" + squeezed(material, list(looks))
    head(figure, material.title, words, everyone(groups, material.names))
    return figure, data


def _courses(material: Material, chosen: DataFrame) -> DataFrame:
    """Return the rows of all trainings, each with its scheduled sparsity."""
    methods = _methods(material, chosen)
    begun = [methods.get(key) for key in chosen[LINE].itertuples(index=False, name=None)]
    step = np.array([0 if it is None else it.timing.begin for it in begun])
    known = [np.nan if it is None else float(it.initial_sparsity) for it in begun]
    first = chosen.assign(
        update=0,
        step=step,
        x=step / chosen["steps_per_epoch"] * material.squeeze(chosen),
        realised_sparsity=chosen["realised_sparsity"].where(np.isnan(known), known),
    )
    taken = COLUMNS[:-1]
    updates = material.joined(material.updates, chosen)
    rows = pd.concat([first[taken], updates[taken]], ignore_index=True)
    place = {key: index for index, key in enumerate(chosen[RUN].itertuples(index=False, name=None))}
    rows["place"] = [place[key] for key in rows[RUN].itertuples(index=False, name=None)]
    rows = rows.sort_values(["place", "update"], ignore_index=True)

    @cache
    def asked(line: tuple[Any, ...], update: int) -> float:
        method = methods.get(line)
        return np.nan if method is None else float(method.schedule(method.window(update)))

    named = rows[[*LINE, "update"]].itertuples(index=False, name=None)
    rows["scheduled_sparsity"] = [asked(key[:-1], int(key[-1])) for key in named]
    return rows[COLUMNS]


def _methods(material: Material, chosen: DataFrame) -> dict[tuple[Any, ...], Method]:
    """Return the timed method of each line; lines whose method is not available are left out."""
    try:
        cells = {_key(keys(cell).values()): cell for cell in material.cells}
    except ResultError:
        return {}
    found = {}
    for line, runs in chosen.groupby(LINE, sort=False):
        run = runs.iloc[0]
        cell = cells.get(_key(run[key] for key in KEYS))
        if cell is not None and cell.method.name in METHODS:
            found[line] = method_of(cell, int(run["steps_per_epoch"]))
    return found


def _key(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(None if pd.isna(value) else value for value in values)


def _steps(axes: Axes, data: DataFrame, look: Look, end: float) -> None:
    """Draw the steps of a label, from the beginning to ``end``, and its schedule."""
    for _, run in data.groupby(["sparsity", "seed"], sort=False):
        x = [0, *run["x"], end]
        reached, asked = (100 * run[it] for it in ("realised_sparsity", "scheduled_sparsity"))
        y = [reached.iloc[0], *reached, reached.iloc[-1]]
        axes.step(x, y, where="post", color=look.colour, linestyle=look.line, linewidth=1)
        axes.plot(run["x"], asked, color="black", linewidth=0.5, zorder=4)
