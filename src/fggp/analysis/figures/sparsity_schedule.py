"""How sparsity came about: what each mask update left, against what the schedule asks for."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import floor
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from pandas import DataFrame, Series

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import WINDOW, called, number, squeezed
from fggp.analysis.figures.label_groups import alike
from fggp.analysis.figures.layout import Drawn, blank, head, legend, over_epochs, places
from fggp.analysis.study_tables import Material
from fggp.foundation.exact import ratio
from fggp.methods import METHODS
from fggp.pruning.timing import Method, Timing, epochs_of

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "seed", "update", "step", "x",
    "realised_sparsity", "scheduled_sparsity",
]  # fmt: skip
LINE = ["backbone", "start", "label", "sparsity"]
RUN = [*LINE, "seed"]


@figure("Diagnostics", place=2)
def sparsity_schedule(material: Material) -> Drawn:
    """The sparsity of the network after each mask update, and what the schedule asks for.

    Sparsity of the whole network after each recorded mask update (steps) and what the schedule asks
    for at that update (thin black line), for every sparsity of the study. Labels with the same
    steps are one line. The pruning window is shaded. Every seed is drawn; their number n stands
    above the panels. Methods that train in rounds are squeezed into the epochs of the study.

    Returns:
        The figure, and a row per training and recorded update, and one before the first (``update``
        0). ``scheduled_sparsity`` is missing where the configuration or the method is not at hand.

    """
    chosen = material.shown[material.shown["label"] != DENSE]
    if chosen.empty:
        return blank("no results of sparse networks yet", COLUMNS)
    data = _courses(material, chosen)
    figure, grid = over_epochs(material, data, ["sparsity (%)"], 2.2)
    moved = data.groupby(RUN)["realised_sparsity"].diff().fillna(1) != 0
    groups = alike(data[moved], ["realised_sparsity"])
    for axes, (_, facet) in zip(grid[0], places(data), strict=True):
        end = axes.get_xlim()[1]
        for first in groups:
            _steps(axes, facet[facet["label"] == first], material.looks[first], end)
    looks = {first: material.looks[first] for first in groups}
    legend(figure, looks | {"schedule": Look("black", "")}, **called(groups))
    many = number(data.groupby(LINE)["seed"].nunique())
    meaning = f"Steps: after each recorded mask update, {many}; thin black: the schedule"
    head(figure, material.title, f"{meaning}; {WINDOW}" + squeezed(material, list(looks)))
    return figure, data


def _courses(material: Material, chosen: DataFrame) -> DataFrame:
    """Return the rows of all trainings, each with what its schedule asks for."""
    methods = {
        key: _method(material, runs.iloc[0]) for key, runs in chosen.groupby(LINE, sort=False)
    }
    begun = [methods[key] for key in chosen[LINE].itertuples(index=False, name=None)]
    step = np.array([0 if it is None else it.timing.begin for it in begun])
    known = [np.nan if it is None else float(it.initial_sparsity) for it in begun]
    first = chosen.assign(
        update=0,
        step=step,
        x=step / chosen["steps_per_epoch"],
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
        method = methods[line]
        return np.nan if method is None else float(method.schedule(method.window(update)))

    named = rows[[*LINE, "update"]].itertuples(index=False, name=None)
    rows["scheduled_sparsity"] = [asked(key[:-1], int(key[-1])) for key in named]
    return rows[COLUMNS]


def _method(material: Material, run: Series) -> Method | None:
    """Return the timed method of a training, None where it is not at hand."""
    configuration = material.configuration
    named = configuration.get("methods", {}).get(run["label"])
    if named is None or named["name"] not in METHODS:
        return None
    recipe = METHODS[named["name"]].recipe(**named["settings"])
    pruning, epochs = configuration["pruning"], int(configuration["training"]["epochs"])
    sparsity, an_epoch = ratio(str(run["sparsity"])), int(run["steps_per_epoch"])
    timing = Timing(
        steps=len(epochs_of(recipe, epochs, sparsity)) * an_epoch,
        begin=pruning["begin_epoch"] * an_epoch,
        end=pruning["end_epoch"] * an_epoch,
        every=pruning["update_every"],
    )
    if recipe.rounds is not None:
        rewind = floor(recipe.rounds.rewind * epochs)
        rounds = recipe.rounds.number(sparsity)
        timing = Timing.in_rounds(epochs * an_epoch, rewind * an_epoch, rounds)
    one = pd.isna(run["initial_sparsity"])
    initial: Fraction | None = None if one else ratio(str(run["initial_sparsity"]))
    return Method.of(run["label"], recipe, sparsity, initial, timing)


def _steps(axes: Axes, data: DataFrame, look: Look, end: float) -> None:
    """Draw the steps of a label, from the beginning to ``end``, and what they should be."""
    for _, run in data.groupby(["sparsity", "seed"], sort=False):
        x = [0, *run["x"], end]
        realised, asked = (100 * run[f"{name}_sparsity"] for name in ("realised", "scheduled"))
        y = [realised.iloc[0], *realised, realised.iloc[-1]]
        axes.step(x, y, where="post", color=look.colour, linestyle=look.line, linewidth=1)
        axes.plot(run["x"], asked, color="black", linewidth=0.5, zorder=4)
