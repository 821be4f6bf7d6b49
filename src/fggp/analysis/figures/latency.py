"""Inference times of trained networks on a CPU, against the share of kept weights."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.rows import KEYS
from fggp.analysis.figures.drawing import log_ticks
from fggp.analysis.figures.layout import Drawn, blank, canvas, fitting, head, name_row
from fggp.analysis.latencies import ADVICE, CONTENDERS, latencies
from fggp.analysis.study_tables import Material
from fggp.foundation.quantities import count

COLUMNS = [
    *KEYS, "kept_share", "contender", "batch", "threads", "least_ms", "median_ms", "clock",
    "processor", "torch",
]  # fmt: skip
STYLES = {
    "fggp": ("#d55e00", "o"),
    "fggp batched": ("#e8b04a", "D"),
    "torch": ("#0072b2", "s"),
    "torch channels_last": ("#56b4e9", "^"),
    "onnxruntime": ("#555555", "v"),
    "fggp shrunk": ("#cc79a7", "P"),
    "torch shrunk": ("#009e73", "X"),
}


@figure("Diagnostics", place=6)
def latency(material: Material) -> Drawn:
    """Inference times of trained networks on a CPU, compiled and dense, against their kept weights.

    Milliseconds per call against the share of kept weights (logarithmic axes), one marker per
    network and way of computing it: compiled to multiply only the kept weights, and dense. Times
    are the minimum over rounds in which all ways alternate, with one thread. Each column is a
    number of images per call.

    Returns:
        The figure, and a row per measured time.

    """
    data = latencies(material.folder)
    if data.empty:
        return blank(ADVICE, COLUMNS)
    data = data.assign(kept_share=data["kept"] / data["weights"])
    single = data[data["threads"] == 1]
    rows = list(single.groupby("backbone", sort=False))
    batches = sorted(single["batch"].unique())
    figure = canvas(1.2 + 1.7 * len(rows))
    grid = figure.subplots(len(rows), len(batches), sharex=True, squeeze=False)
    for line, (backbone, facet) in zip(grid, rows, strict=True):
        for axes, batch in zip(line, batches, strict=True):
            _panel(axes, facet[facet["batch"] == batch])
        name_row(line[-1], str(backbone))
    for axes, batch in zip(grid[0], batches, strict=True):
        axes.set_title(count(int(batch), "image"), fontsize=7)
    for axes in grid[-1]:  # a label of the whole figure would overlap the legend
        axes.set_xlabel("share of kept weights (log)")
    figure.supylabel("milliseconds per call (log scale)", fontsize=8)
    _legend(figure, [it for it in CONTENDERS if (single["contender"] == it).any()])
    head(figure, material.title, *_words(single))
    return figure, data[COLUMNS]


def _legend(figure: Figure, names: list[str]) -> None:
    marks = [
        Line2D([], [], linestyle="", marker=STYLES[it][1], color=STYLES[it][0], markersize=3.5)
        for it in names
    ]
    figure.legend(
        marks, names, loc="outside lower center", ncols=fitting(names, figure.get_figwidth())
    )


def _panel(axes: Axes, data: DataFrame) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    for contender, rows in data.groupby("contender", sort=False):
        colour, mark = STYLES[str(contender)]
        axes.plot(
            rows["kept_share"], rows["least_ms"], mark, color=colour, markersize=3.5,
            markeredgewidth=0, alpha=0.8,
        )  # fmt: skip
    log_ticks(axes.xaxis)
    log_ticks(axes.yaxis)


def _words(data: DataFrame) -> list[str]:
    processors = ", ".join(sorted(data["processor"].unique()))
    versions = ", ".join(sorted(data["torch"].unique()))
    return [
        f"{count(data['cell'].nunique(), 'network')}, n = 1 seed of each; {processors}, one "
        f"thread, torch {versions}",
    ]
