"""The gap of every method to the dense network, in the order of average ranks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pandas import DataFrame

from fggp.analysis.complete_grids import Counts, all_entries
from fggp.analysis.figures.layout import Drawn, blank, canvas, categories, head
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.formats import records
from fggp.foundation.quantities import count
from fggp.methods import METHODS

COLUMNS = [
    "entry", "label", "average_rank", "mean_points", "least_seed_points", "most_seed_points",
    "length",
]  # fmt: skip


def standings(material: Material) -> Drawn:
    """Draw the gap to dense of every method, once per start: the mean, and the range over seeds.

    Means are over backbone and sparsity, so that the range is that of seeds and not of the settings
    that the study chose. The data has a row per entry, best average rank first; ``length`` is the
    number of trainings of the study's length that it takes. If a dense network is missing, the
    points are accuracies in percent.
    """
    counts = all_entries(material.compared)
    if counts is None:
        return blank("needs two methods with results in the same settings", COLUMNS)
    paired = not np.isnan(counts.dense).any()
    data = DataFrame(list(_rows(counts, _lengths(material), paired=paired)), columns=COLUMNS)
    figure = canvas(1.0 + 0.155 * len(data))
    axes = figure.subplots()
    for y, row in enumerate(records(data)):
        look = material.looks[row["label"]]
        axes.plot(
            [row["least_seed_points"], row["most_seed_points"]], [y, y], color=look.colour, lw=1
        )
        axes.plot(
            row["mean_points"], y, look.marker or "o", color=look.colour, markersize=4.5,
            markerfacecolor="white", markeredgewidth=1.2,
        )  # fmt: skip
    categories(axes, list(data["entry"]), names=[_name(row, material) for row in records(data)])
    axes.set_xlabel(
        "test accuracy minus that of the dense network (points)" if paired else "accuracy (%)"
    )
    if paired:
        axes.axvline(0, color=material.looks["dense"].colour, linestyle="--", linewidth=1)
    head(figure, material.title, *_words(counts, material))
    return figure, data


def _rows(
    counts: Counts, lengths: dict[str, float], *, paired: bool
) -> Iterator[dict[str, object]]:
    correct = counts.correct - counts.dense[:, :, None] if paired else counts.correct
    points = correct * counts.points
    average = counts.ranks.mean(axis=0)
    for column in np.lexsort((np.array(counts.entries), average)):
        entry, own = counts.entries[column], points[:, :, column]
        yield {
            "entry": entry,
            "label": counts.labels[entry],
            "average_rank": average[column],
            "mean_points": own.mean(),
            "least_seed_points": own.mean(axis=0).min(),
            "most_seed_points": own.mean(axis=0).max(),
            "length": lengths[counts.labels[entry]],
        }


def _lengths(material: Material) -> dict[str, float]:
    """Return the number of trainings of the study's length that each label takes.

    A method that starts from the trained dense network needs that training too.
    """
    runs = material.compared
    epochs = runs.groupby("label")["epochs"].max()
    study = float(material.configuration.get("training", {}).get("epochs", epochs.median()))
    before = {
        str(label): name in METHODS and METHODS[name].recipe().fine_tune is not None
        for label, name in zip(runs["label"], runs["method"], strict=True)
    }
    return {str(label): before[str(label)] + n / study for label, n in epochs.items()}


def _name(row: dict[str, Any], material: Material) -> str:
    times = "" if row["length"] == 1 else f" ({row['length']:g} trainings)"
    rank = f"{row['average_rank']:5.2f}".replace(" ", "\N{FIGURE SPACE}")
    return f"{material.name(row['entry'])}{times}  {rank}"


def _words(counts: Counts, material: Material) -> Iterator[str]:
    seeds, settings = count(len(counts.seeds), "seed"), count(len(counts.settings), "setting")
    yield (
        f"Average rank next to each name (1 is best): mean accuracy, {settings} of backbone "
        f"and sparsity, n = {seeds}"
    )
    if len(counts.seeds) > 1:
        yield "Markers: mean over settings and seeds; lines: from the worst to the best seed"
    if len(counts.seeds) < material.plan.fewest_seeds:
        yield f"{seeds[0].upper()}{seeds[1:]} cannot separate neighbours"
