"""Accuracy against sparsity: a facet per backbone and start, a line per label, every seed shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import clauses, meaning, named
from fggp.analysis.figures.drawing import cut, points, reference
from fggp.analysis.figures.label_groups import summed
from fggp.analysis.figures.layout import Drawn, blank, canvas, head, legend, name_row
from fggp.analysis.study_tables import Material
from fggp.foundation.quantities import percent

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "density", "x", "seed",
    "accuracy_percent", "mean", "sd", "n",
]  # fmt: skip


@figure("Results", place=1)
def accuracy_vs_sparsity(material: Material) -> Drawn:
    """Test accuracy over sparsity: every seed, the means, and the dense network with its band.

    Test accuracy at the last epoch; the axis of sparsity is logarithmic in density. Small marks are
    single seeds, lines join the means over seeds, and bars are one sample standard deviation
    between seeds. The dashed grey line is the dense network of the same backbone, its band one
    standard deviation. The number of seeds n stands above the panels.

    Returns:
        The figure, and a row per point: accuracies in %; ``x`` is the density, moved a little
        sideways for each label; ``mean``, sample ``sd`` and ``n`` are those over the seeds. The
        dense reference, of which only these are drawn, has neither ``density`` nor ``x``. A method
        with one start is in every start of its backbone.

    """
    data = shown(material)
    sparse = data[data["label"] != DENSE]
    if sparse.empty:
        return blank("no results of sparse networks yet", COLUMNS)
    starts, backbones = list(sparse["start"].unique()), list(sparse["backbone"].unique())
    figure = canvas(1.2 + 1.6 * len(starts))
    grid = figure.subplots(len(starts), len(backbones), sharex=True, sharey="col", squeeze=False)
    labels = dict.fromkeys([*sparse["label"], *data["label"]])
    look = {label: material.looks[label] for label in labels}
    for row, start in enumerate(starts):
        for column, backbone in enumerate(backbones):
            facet = (data["start"] == start) & (data["backbone"] == backbone)
            _facet(grid[row, column], data[facet], look)
    _scale(grid[0, 0], sparse)
    _name(grid, sparse)
    figure.supylabel("test accuracy at the last epoch (%)", fontsize=8)
    one = set(material.runs.loc[material.runs["starts"] == "one", "label"])
    legend(figure, look, **{label: f"{label} (one start)" for label in look if label in one})
    kept = list(data.loc[data["label"] == DENSE, "mean"])
    far = [cut(list(column), "y", kept) for column in grid.T]
    head(figure, material.title, clauses(meaning(data), *far))
    return figure, data


def shown(material: Material) -> DataFrame:
    """Return the points of the figure; see `accuracy_vs_sparsity`."""
    data = material.shown
    if data.empty:
        return DataFrame(columns=COLUMNS)
    return _placed(summed(data, "accuracy_percent"))[COLUMNS]


def _placed(data: DataFrame) -> DataFrame:
    """Add ``density`` and ``x``: labels side by side around the density, on a log axis."""
    density = (1 - data["sparsity"]).where(data["label"] != DENSE).round(12)
    levels = np.log10(np.sort(density.dropna().unique()))
    gap = min(float(np.diff(levels).min()) if len(levels) > 1 else 0.3, 0.3)
    labels = [label for label in data["label"].unique() if label != DENSE]
    place = {label: index - (len(labels) - 1) / 2 for index, label in enumerate(labels)}
    # Sparsity rises to the right: the first label stands left, at the larger density.
    step = -gap * min(0.5 / max(len(labels), 1), 0.09)
    x = density * 10 ** (data["label"].map(place) * step)
    return data.assign(density=density, x=x.round(6))


def _facet(axes: Axes, data: DataFrame, look: dict[str, Look]) -> None:
    reference(axes, data[data["label"] == DENSE], look)
    for label, rows in data[data["label"] != DENSE].groupby("label", sort=False):
        points(axes, rows, "x", look[str(label)], by="sparsity")


def _scale(axes: Axes, sparse: DataFrame) -> None:
    """Set the shared x axis: the log of density, labelled as sparsity."""
    densities = np.sort(sparse["density"].unique())[::-1]
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    span = np.log10(densities[0] / densities[-1])
    room = 10 ** (0.12 * span if span else 0.3)
    axes.set_xlim(densities[0] * room, densities[-1] / room)
    texts, last = [], np.inf
    for density in densities[::-1]:  # the sparsest is named first: it is what readers look for
        apart = abs(np.log10(density) - last) > 0.13 * span
        texts.append(percent(1 - density) if apart else "")
        last = np.log10(density) if apart else last
    axes.set_xticks(densities, texts[::-1])


def _name(grid: Any, sparse: DataFrame) -> None:
    """Name the columns above, the rows on the right, and the axis below."""
    for axes, (name, facet) in zip(grid[0], sparse.groupby("backbone", sort=False), strict=True):
        axes.set_title(named(name, facet))
    for axes, start in zip(grid[:, -1], sparse["start"].unique(), strict=True):
        name_row(axes, start)
    for axes in grid[-1]:
        axes.set_xlabel("sparsity (log scale of density)")
