"""Accuracy against the measured inference time of each network on a CPU."""

from __future__ import annotations

from matplotlib.axes import Axes
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.rows import KEYS
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import clauses
from fggp.analysis.figures.drawing import log_ticks
from fggp.analysis.figures.label_groups import spotlight
from fggp.analysis.figures.layout import Drawn, blank, canvas, head, legend, name_row, places
from fggp.analysis.latencies import ADVICE, latencies
from fggp.analysis.study_tables import Material
from fggp.foundation.quantities import count

SCORE = "accuracy_percent"
COLUMNS = [*KEYS, "batch", "contender", "least_ms", SCORE, "processor", "torch"]


@figure("Results", place=4)
def accuracy_vs_latency(material: Material) -> Drawn:
    """Test accuracy against the measured inference time of each network on a CPU.

    Test accuracy at the last epoch against the milliseconds per call with one thread, by the
    fastest way measured: dense, compiled for the kept weights, or shrunk (logarithmic axis). Each
    label and setting has one network, and a line joins the sparsities of a label; the dense network
    is a hollow circle. Each column is a number of images per call.

    Returns:
        The figure, and a row per network and number of images.

    """
    measured = latencies(material.folder)
    if measured.empty:
        return blank(ADVICE, COLUMNS)
    data = _fastest(measured, material.shown)
    if data.empty:
        return blank("the measured trainings are not shown", COLUMNS)
    rows = list(places(data))
    batches = sorted(data["batch"].unique())
    figure = canvas(1.3 + 1.55 * len(rows))
    grid = figure.subplots(len(rows), len(batches), sharex="col", sharey="row", squeeze=False)
    every, looks = spotlight(data, "sparsity", SCORE, material.looks)
    for line, (name, facet) in zip(grid, rows, strict=True):
        for axes, batch in zip(line, batches, strict=True):
            _panel(axes, facet[facet["batch"] == batch], every)
        name_row(line[-1], name)
    for axes, batch in zip(grid[-1], batches, strict=True):
        axes.set_xlabel(f"milliseconds for {count(int(batch), 'image')} (log scale)")
        log_ticks(axes.xaxis)
    figure.supylabel("test accuracy at the last epoch (%)", fontsize=8)
    legend(figure, looks, material.names)
    where = ", ".join(sorted(data["processor"].unique()))
    head(figure, material.title, clauses(f"n = 1 seed of each; {where}, one thread"))
    return figure, data


def _fastest(measured: DataFrame, shown: DataFrame) -> DataFrame:
    """Return the fastest way of each network and batch, with its accuracy."""
    single = measured[measured["threads"] == 1].sort_values("least_ms", kind="stable")
    first = single.groupby(["cell", "batch"], sort=False).head(1)
    first = first.astype({"initial_sparsity": "float64"})[[it for it in COLUMNS if it != SCORE]]
    known = shown[["start", "width", SCORE, *KEYS]]
    return known.merge(first, on=list(KEYS), how="inner")[["start", "width", *COLUMNS]]


def _panel(axes: Axes, data: DataFrame, looks: dict[str, Look]) -> None:
    axes.set_xscale("log")
    for label, rows in data.groupby("label", sort=False):
        look = looks[str(label)]
        line = rows.sort_values("sparsity")
        axes.plot(
            line["least_ms"], line[SCORE], color=look.colour,
            linestyle=look.line, marker="o" if label == DENSE else look.marker,
            markerfacecolor="white",
        )  # fmt: skip
