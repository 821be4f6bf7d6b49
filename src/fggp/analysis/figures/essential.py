"""Accuracy of the trained dense networks against one-shot sparsity, with its knee."""

from __future__ import annotations

from matplotlib.axes import Axes
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.rows import KEYS
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import named, number
from fggp.analysis.figures.layout import Drawn, beside, blank, canvas, head
from fggp.analysis.one_shot import ADVICE, bend, one_shot
from fggp.analysis.study_tables import Material

SCORE = "accuracy_percent"
COLUMNS = [*KEYS, "width", "kept", "weights", SCORE, "knee", "torch"]


@figure("Diagnostics", place=7)
def essential(material: Material) -> Drawn:
    """Test accuracy of the dense networks against the share of weights pruned in one shot.

    The weights of smallest magnitude over all layers are pruned, and nothing is trained afterwards.
    There is a panel per network and a line per seed; the number of seeds n is given below. The dot
    of a line is its knee, the last sparsity before accuracy first falls more than one point below
    that with all weights.

    Returns:
        The figure, and a row per training and sparsity; ``knee`` marks the knees.

    """
    data = one_shot(material.folder)
    if data.empty:
        return blank(ADVICE, COLUMNS)
    knees = {cell: bend(part)["sparsity"] for cell, part in data.groupby("cell")}
    data = data.assign(knee=data["sparsity"] == data["cell"].map(knees))
    facets = list(data.groupby("backbone", sort=False))
    columns = min(beside(2), len(facets))
    rows = -(-len(facets) // columns)
    figure = canvas(0.7 + 1.7 * rows)
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axes, (backbone, facet) in zip(grid.flat, facets, strict=False):
        axes.set_title(named(backbone, facet), fontsize=7)
        _panel(axes, facet, material.looks[DENSE])
    for axes in grid.flat[len(facets) :]:
        axes.remove()
    figure.supxlabel("one-shot sparsity (%)", fontsize=8)
    figure.supylabel("test accuracy (%)", fontsize=8)
    versions = ", ".join(sorted(data["torch"].unique()))
    seeds = number(data.groupby("backbone")["seed"].nunique())
    head(figure, material.title, f"{seeds}; torch {versions}")
    return figure, data[COLUMNS]


def _panel(axes: Axes, data: DataFrame, look: Look) -> None:
    for _, line in data.groupby("cell", sort=False):
        axes.plot(100 * line["sparsity"], line[SCORE], color=look.colour, linewidth=0.8)
    marked = data[data["knee"]]
    axes.plot(
        100 * marked["sparsity"], marked[SCORE], "o", color=look.colour, markersize=3.5,
        markeredgewidth=0,
    )  # fmt: skip
