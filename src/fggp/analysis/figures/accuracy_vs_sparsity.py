"""Accuracy against sparsity: a facet per backbone and start, a line per label, every seed shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figures.captions import clauses, meaning, named
from fggp.analysis.figures.drawing import across, cut, points, reference
from fggp.analysis.figures.label_groups import summed
from fggp.analysis.figures.layout import (
    Drawn,
    blank,
    canvas,
    categories,
    head,
    height_of,
    legend,
    name_row,
)
from fggp.analysis.study_tables import Material
from fggp.foundation.quantities import percent

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "seed", "accuracy_percent", "mean", "sd",
    "n",
]  # fmt: skip
AXIS = "test accuracy at the last epoch (%)"


@figure("Results", place=1)
def accuracy_vs_sparsity(material: Material) -> Drawn:
    """Test accuracy against sparsity: every seed, the means, and the dense network with its band.

    Test accuracy at the last epoch; the sparsity axis is logarithmic in density, and every marker
    is at its sparsity. Small markers are single seeds, lines join the means over seeds, and bars
    are one sample standard deviation over seeds. The dashed grey line is the dense network of the
    same backbone, and its band is one standard deviation. If all networks have one sparsity, there
    is a row per method instead, the most accurate at the top. The number of seeds n is given below.

    Returns:
        The figure, and a row per point: accuracies in %; ``mean``, sample ``sd`` and ``n`` are
        those over the seeds. For the dense reference, only these are drawn. A method with one start
        is shown in every start of its backbone.

    """
    data = shown(material)
    sparse = data[data["label"] != DENSE]
    if sparse.empty:
        return blank("no results of sparse networks yet", COLUMNS)
    draw = _curves if sparse["sparsity"].nunique() > 1 else _ranked
    figure, far = draw(material, data, sparse)
    head(figure, material.title, clauses(meaning(data), *far))
    return figure, data


def shown(material: Material) -> DataFrame:
    """Return the points of the figure; see `accuracy_vs_sparsity`."""
    data = material.shown
    return DataFrame(columns=COLUMNS) if data.empty else summed(data, "accuracy_percent")[COLUMNS]


def _curves(material: Material, data: DataFrame, sparse: DataFrame) -> tuple[Figure, list[str]]:
    """Draw accuracy against sparsity; return the figure and notes on points beyond its axes."""
    starts, backbones = list(sparse["start"].unique()), list(sparse["backbone"].unique())
    figure = canvas(1.2 + 1.6 * len(starts))
    grid = figure.subplots(len(starts), len(backbones), sharex=True, sharey="col", squeeze=False)
    labels = dict.fromkeys([*sparse["label"], *data["label"]])
    look = {label: material.looks[label] for label in labels}
    _scale(grid[0, 0], sparse)
    for row, start in enumerate(starts):
        for column, backbone in enumerate(backbones):
            facet = data[(data["start"] == start) & (data["backbone"] == backbone)]
            reference(grid[row, column], facet[facet["label"] == DENSE], look)
            for label, rows in facet[facet["label"] != DENSE].groupby("label", sort=False):
                points(grid[row, column], rows, "sparsity", look[str(label)])
    _name(grid, sparse)
    for axes in grid[-1]:
        axes.set_xlabel("sparsity (log scale of density)")
    figure.supylabel(AXIS, fontsize=8)
    legend(figure, look, {label: _entry(material, label) for label in look})
    kept = list(data.loc[data["label"] == DENSE, "mean"])
    return figure, [cut(list(column), "y", kept) for column in grid.T]


def _ranked(material: Material, data: DataFrame, sparse: DataFrame) -> tuple[Figure, list[str]]:
    """Draw a row per label, for a study of one sparsity; return the same as `_curves`."""
    starts, backbones = list(sparse["start"].unique()), list(sparse["backbone"].unique())
    labels = list(sparse.groupby("label")["mean"].mean().sort_values(ascending=False).index)
    figure = canvas(0.9 + len(starts) * height_of(labels))
    grid = figure.subplots(len(starts), len(backbones), sharex="col", sharey=True, squeeze=False)
    for row, start in enumerate(starts):
        for column, backbone in enumerate(backbones):
            axes = grid[row, column]
            facet = data[(data["start"] == start) & (data["backbone"] == backbone)]
            axes.grid(visible=False, axis="y")
            reference(axes, facet[facet["label"] == DENSE], material.looks, along="x")
            for y, label in enumerate(labels):
                rows = facet[facet["label"] == label]
                across(axes, rows, "accuracy_percent", y, material.looks[label])
    categories(grid[0, 0], labels, names=[_entry(material, label) for label in labels])
    _name(grid, sparse)
    figure.supxlabel(f"{AXIS}, {percent(sparse['sparsity'].iloc[0])} sparsity", fontsize=8)
    kept = list(data.loc[data["label"] == DENSE, "mean"])
    return figure, [cut(list(column), "x", kept) for column in grid.T]


def _entry(material: Material, label: str) -> str:
    one = (material.compared.loc[material.compared["label"] == label, "starts"] == "one").any()
    return material.name(label) + " (one start)" * bool(one)


def _scale(axes: Axes, sparse: DataFrame) -> None:
    """Set the shared x axis of sparsity: logarithmic in density, rising to the right."""
    sparsities = np.sort(sparse["sparsity"].unique())
    low, high = (-np.log10(1 - it) for it in (sparsities[0], sparsities[-1]))
    axes.set_xscale("function", functions=(_depth, _sparsity))
    room = 0.12 * (high - low)
    axes.set_xlim(float(_sparsity(low - room)), float(_sparsity(high + room)))
    texts, last = [], np.inf
    for sparsity in sparsities[::-1]:  # the highest first: readers look for it
        depth = float(_depth(sparsity))
        apart = abs(depth - last) > 0.13 * (high - low)
        texts.append(percent(sparsity) if apart else "")
        last = depth if apart else last
    axes.set_xticks(sparsities, texts[::-1])


def _depth(sparsity: ArrayLike) -> NDArray[np.float64]:
    """Return the negative logarithm of the density."""
    density = np.maximum(1 - np.asarray(sparsity, dtype=np.float64), 1e-12)
    return np.asarray(-np.log10(density))


def _sparsity(depth: ArrayLike) -> NDArray[np.float64]:
    """Return the inverse of `_depth`."""
    return np.asarray(1 - 10 ** -np.asarray(depth, dtype=np.float64))


def _name(grid: Any, sparse: DataFrame) -> None:
    """Name the columns above and the rows on the right."""
    for axes, (name, facet) in zip(grid[0], sparse.groupby("backbone", sort=False), strict=True):
        axes.set_title(named(name, facet))
    for axes, start in zip(grid[:, -1], sparse["start"].unique(), strict=True):
        name_row(axes, start)
