"""The cost of sparsity: accuracy minus the accuracy of the dense network of the same seed."""

from __future__ import annotations

from matplotlib.axes import Axes
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import clauses, meaning
from fggp.analysis.figures.drawing import across, cut
from fggp.analysis.figures.label_groups import summed
from fggp.analysis.figures.layout import (
    Drawn,
    blank,
    canvas,
    categories,
    head,
    height_of,
    level,
    name_row,
    places,
)
from fggp.analysis.study_tables import Material

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "seed", "accuracy_percent",
    "dense_percent", "difference", "mean", "sd", "n",
]  # fmt: skip


@figure("Results", place=2)
def drop_to_dense(material: Material) -> Drawn:
    """Test accuracy minus that of the dense network with the same seed, one panel per setting.

    Accuracies are those of the last epoch, and differences are in points. The dashed line is the
    dense network. Dots are single seeds, hollow markers are means over seeds, and bars are one
    sample standard deviation of these differences. The number of seeds n is given below. A method
    with one start is shown in every start of its backbone.

    Returns:
        The figure, and a row per training: accuracies in %, differences in points; ``mean``, sample
        ``sd`` and ``n`` are those of the differences over the seeds.

    """
    data = differences(material)
    if data.empty:
        return blank("no sparse network has a dense one of the same seed to compare with", COLUMNS)
    labels = list(dict.fromkeys(data["label"]))
    rows = list(places(data))
    sparsities = sorted(data["sparsity"].unique())
    figure = canvas(0.8 + len(rows) * height_of(labels))
    grid = figure.subplots(len(rows), len(sparsities), sharex="col", sharey=True, squeeze=False)
    one = set(material.compared.loc[material.compared["starts"] == "one", "label"])
    names = [material.name(label) + " (one start)" * (label in one) for label in labels]
    for line, (name, facet) in zip(grid, rows, strict=True):
        for axes, sparsity in zip(line, sparsities, strict=True):
            _panel(axes, facet[facet["sparsity"] == sparsity], labels, material.looks)
        name_row(line[-1], name)
        categories(line[0], labels, names=names)
    for axes, sparsity in zip(grid[0], sparsities, strict=True):
        axes.set_title(level(sparsity))
    figure.supxlabel("test accuracy at the last epoch minus dense (points)", fontsize=8)
    far = [cut(list(column), "x", keep=[0]) for column in grid.T]
    head(figure, material.title, clauses(f"{meaning(data, reference=False)}; paired by seed", *far))
    return figure, data


def differences(material: Material) -> DataFrame:
    """Return the points of the figure; see `drop_to_dense`."""
    shown = material.shown
    keys = ["backbone", "start", "seed"]
    dense = shown.loc[shown["label"] == DENSE, [*keys, "accuracy_percent"]]
    dense = dense.rename(columns={"accuracy_percent": "dense_percent"})
    data = shown[shown["label"] != DENSE].merge(dense, on=keys)
    data = data.assign(difference=(data["accuracy_percent"] - data["dense_percent"]).round(10))
    return summed(data, "difference")[COLUMNS]


def _panel(axes: Axes, data: DataFrame, labels: list[str], looks: dict[str, Look]) -> None:
    axes.grid(visible=False, axis="y")
    axes.axvline(0, color=looks[DENSE].colour, linestyle=looks[DENSE].line, linewidth=1)
    for label, rows in data.groupby("label", sort=False):
        across(axes, rows, "difference", labels.index(str(label)), looks[str(label)])
