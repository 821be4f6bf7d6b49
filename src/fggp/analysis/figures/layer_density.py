"""The density of each layer at the end of training."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import named, seen
from fggp.analysis.figures.drawing import curves, log_ticks
from fggp.analysis.figures.label_groups import spotlight
from fggp.analysis.figures.layout import Drawn, blank, canvas, head, legend, name_row
from fggp.analysis.study_tables import Material

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "seed", "layer", "name", "total", "kept",
    "density",
]  # fmt: skip


@figure("Diagnostics", place=1)
def layer_density(material: Material) -> Drawn:
    """The share of weights that each layer keeps, at the highest sparsity.

    Share of the weights that each prunable layer keeps at the end of training (logarithmic axis).
    Thick lines with markers are means over seeds, and thin lines are single seeds. The dotted line
    is the density of the whole network, and crosses at the bottom are layers without a weight. With
    many labels, those that differ most from ``fggp`` are drawn in colour, the others in grey. The
    number of seeds n is given below.

    Returns:
        The figure, and a row per training and layer (counted from 1).

    """
    chosen = material.sparsest
    data = material.joined(material.layers, chosen[chosen["label"] != DENSE])
    if data.empty:
        return blank("no results of sparse networks yet", COLUMNS)
    data = data.assign(layer=data["layer"] + 1)[COLUMNS]
    starts, backbones = list(data["start"].unique()), list(data["backbone"].unique())
    figure = canvas(1.3 + 1.7 * len(starts))
    grid = figure.subplots(len(starts), len(backbones), sharex="col", sharey=True, squeeze=False)
    bottom = data.loc[data["kept"] > 0, "density"].min() / 2
    every, shown = spotlight(data, "layer", "density", material.looks)
    for row, start in enumerate(starts):
        for column, backbone in enumerate(backbones):
            facet = data[(data["start"] == start) & (data["backbone"] == backbone)]
            _panel(grid[row, column], facet, every, bottom)
        name_row(grid[row, -1], start)
    for column, backbone in enumerate(backbones):
        grid[0, column].set_title(named(backbone, data[data["backbone"] == backbone]))
        grid[-1, column].set_xlabel("prunable layer, first to last")
    log_ticks(grid[0, 0].yaxis)
    figure.supylabel("density (log scale)", fontsize=8)
    legend(figure, shown, material.names)
    emptied = data[data["kept"] == 0]
    crosses = f"; crosses: layers without a weight ({len(emptied)})" if len(emptied) else ""
    whole = "dotted: density of the whole network"
    head(figure, material.title, f"{seen(data, ['layer'])}; {whole}{crosses}")
    return figure, data


def _panel(axes: Axes, data: DataFrame, looks: dict[str, Look], bottom: float) -> None:
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.axhline(1 - data["sparsity"].max(), color="black", linestyle=":", linewidth=0.8)
    filled = data.assign(density=data["density"].where(data["kept"] > 0))
    curves(axes, filled, "layer", "density", looks)
    for label, empty in data[data["kept"] == 0].groupby("label", sort=False):
        axes.plot(
            empty["layer"], [bottom] * len(empty), "x", color=looks[str(label)].colour,
            markersize=4, clip_on=False, zorder=4,
        )  # fmt: skip
