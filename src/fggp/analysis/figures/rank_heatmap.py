"""Ranks of every label in every setting, as a heat map with the numbers in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.complete_grids import Counts, name_of
from fggp.analysis.figures.layout import Drawn, blank, canvas, head
from fggp.analysis.pairs import grids
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.formats import records
from fggp.foundation.quantities import count

COLUMNS = ["blocks", "entry", "label", "setting", "rank", "average_rank", "accuracy_percent", "n"]
AVERAGE = "average"
DARKEST = 5.0
"""The colours end this many points below the best of a setting; most differences are a few."""


@figure("Results", place=7)
def rank_heatmap(material: Material) -> Drawn:
    """The rank of every method in every setting, and its average.

    Ranks are by mean test accuracy at the last epoch; 1 is best. Rows are sorted by the average
    rank over the settings. The darker a field, the more points its accuracy is below the best of
    its setting. The upper panel has the methods with both starts, over backbone, sparsity and
    start. If there are methods with one start, the lower panel has all methods over backbone and
    sparsity, those with both starts once per start. The number of seeds n is in the last line.

    Returns:
        The figure, and a row per entry and setting; ``n`` is the number of seeds of a rank.

    """
    found = list(grids(material.compared))
    if not found:
        return blank("needs two methods with results in the same settings", COLUMNS)
    data = DataFrame([row for blocks, counts in found for row in _rows(blocks, counts)])
    heights = [1.5 + 0.17 * len(counts.entries) for _, counts in found]
    figure = canvas(0.6 + sum(heights))
    axes = figure.subplots(len(found), 1, height_ratios=heights, squeeze=False)[:, 0]
    for panel, (_, counts) in zip(axes, found, strict=True):
        _map(panel, counts, material)
    seeds = sorted({len(counts.seeds) for _, counts in found})
    many = " and ".join(count(it, "seed") for it in seeds)
    head(
        figure,
        material.title,
        f"Rank of the mean accuracy over n = {many}, 1 is best; equal means share their rank; "
        f"colours reach from the best of a setting to {DARKEST:g} points below it or more",
    )
    return figure, data[COLUMNS]


def _rows(blocks: str, counts: Counts) -> Iterator[dict[str, object]]:
    average = counts.ranks.mean(axis=0)
    accuracy = counts.correct.mean(axis=1) * counts.points
    for column in np.argsort(average, kind="stable"):
        for row, setting in enumerate(records(counts.settings)):
            yield {
                "blocks": blocks,
                "entry": counts.entries[column],
                "label": counts.labels[counts.entries[column]],
                "setting": name_of(setting),
                "rank": counts.ranks[row, column],
                "average_rank": average[column],
                "accuracy_percent": accuracy[row, column],
                "n": len(counts.seeds),
            }


def _map(axes: Axes, counts: Counts, material: Material) -> None:
    from seaborn import heatmap

    names = [name_of(setting) for setting in records(counts.settings)]
    order = np.argsort(counts.ranks.mean(axis=0), kind="stable")
    rows = [material.name(counts.entries[column]) for column in order]
    accuracy = counts.correct.mean(axis=1) * counts.points
    behind = DataFrame((accuracy.max(axis=1, keepdims=True) - accuracy).T[order], rows, names)
    texts = DataFrame(counts.ranks.T[order], rows, names).map("{:g}".format)
    # The averages are separate from the settings, and have no accuracy to set their colour.
    behind[""], texts[""], behind[AVERAGE] = np.nan, "", 0.0
    texts[AVERAGE] = [f"{rank:.2f}" for rank in counts.ranks.mean(axis=0)[order]]
    # seaborn writes numbers in white on dark colours.
    heatmap(
        behind, annot=texts, fmt="", annot_kws={"size": 6}, cmap="Blues", vmin=0,
        vmax=DARKEST, cbar=False, xticklabels=True, yticklabels=True, ax=axes,
    )  # fmt: skip
    axes.tick_params(axis="x", length=0, labelsize=6)
    axes.tick_params(axis="y", length=0, labelsize=6 if len(rows) > 10 else 7)
    axes.grid(visible=False)
