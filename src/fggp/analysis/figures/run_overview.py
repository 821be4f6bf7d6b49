"""Time, memory and outcome of the trainings."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.rows import KEYS
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.drawing import log_ticks
from fggp.analysis.figures.layout import (
    Drawn,
    blank,
    canvas,
    categories,
    fitting,
    head,
    height_of,
    name_row,
)
from fggp.analysis.study_tables import Material
from fggp.foundation.quantities import duration
from fggp.study.verdict import ENDINGS

COLUMNS = [
    *KEYS, "verdict", "seconds", "peak_memory_mb", "emptied_layers", "device", "device_name",
]  # fmt: skip
VERDICTS = {
    "completed": "#b8cfe0", "diverged": "#d55e00", "disconnected": "#7f3b08", "chance": "#e8b04a",
    "missing": "#ffffff",
}  # fmt: skip
RARE = {"disconnected", "chance"}
"""Verdicts that are named only if a training has them."""
NAMES = ["seconds per training (log scale)", "peak memory (MB)", "trainings"]


@figure("Diagnostics", place=5)
def run_overview(material: Material) -> Drawn:
    """Seconds and memory of every training, and the numbers completed, failed and missing.

    Seconds and peak memory: dots are trainings, and strokes are medians. Failed trainings diverged,
    were disconnected or at chance; these count as results. Their numbers are drawn only if not all
    trainings completed. The numbers of trainings, their total time and the devices are given below.
    Seconds depend on the other load of a machine.

    Returns:
        The figure, and a row per training that the study should have; those without a result have
        the verdict "missing".

    """
    expected = material.expected
    if expected.empty:
        return blank("the study has no cells", COLUMNS)
    data = expected.merge(material.runs, on=list(KEYS), how="left")
    data = data.assign(verdict=data["verdict"].fillna("missing"))[COLUMNS]
    shown = [it for it in VERDICTS if it not in RARE or (data["verdict"] == it).any()]
    rows = list(data.groupby("backbone", sort=False))
    labels = list(dict.fromkeys(data["label"]))
    figure = canvas(1.1 + len(rows) * height_of(labels))
    whole = bool((data["verdict"] == "completed").all())
    grid = figure.subplots(len(rows), 2 if whole else 3, sharex="col", sharey=True, squeeze=False)
    for line, (backbone, facet) in zip(grid, rows, strict=True):
        _dots(line[0], facet, "seconds", labels, material.looks)
        _dots(line[1], facet, "peak_memory_mb", labels, material.looks)
        categories(line[0], labels, names=[material.name(label) for label in labels])
        name_row(line[-1], str(backbone))
        if not whole:
            _bars(line[2], facet, labels, shown)
    for axes in grid.flat:
        axes.grid(visible=False, axis="y")
    for axes, name in zip(grid[-1], NAMES, strict=False):
        axes.set_xlabel(name, fontsize=7)
    grid[0, 0].set_xscale("log")
    log_ticks(grid[0, 0].xaxis)
    grid[0, 1].set_xlim(left=0)
    if not whole:
        grid[0, 2].xaxis.set_major_locator(MaxNLocator(5, integer=True))
        _legend(figure, shown)
    head(figure, material.title, *_words(data, shown))
    return figure, data


def _legend(figure: Figure, shown: list[str]) -> None:
    figure.legend(
        [Patch(facecolor=VERDICTS[it], edgecolor="#777777") for it in shown],
        shown, loc="outside lower center", ncols=fitting(shown, figure.get_figwidth()),
    )  # fmt: skip


def _words(data: DataFrame, shown: list[str]) -> list[str]:
    ends = data["verdict"].value_counts()
    counts = ", ".join(
        f"{ends.get(verdict, 0)} {ENDINGS.get(verdict, verdict)}" for verdict in shown
    )
    devices = ", ".join(sorted(data["device_name"].dropna().unique())) or "no device"
    return [
        f"{len(data)} trainings: {counts}; dots: trainings, strokes: medians",
        f"{duration(data['seconds'].sum())} in total, on {devices}",
    ]


def _dots(
    axes: Axes, data: DataFrame, value: str, labels: list[str], looks: dict[str, Look]
) -> None:
    for label, rows in data[data[value].notna()].groupby("label", sort=False):
        y = labels.index(str(label))
        colour = looks[str(label)].colour
        axes.plot(rows[value], [y] * len(rows), "o", color=colour, markersize=2.5, alpha=0.5,
                  markeredgewidth=0)  # fmt: skip
        axes.plot(rows[value].median(), y, "|", color=colour, markersize=8, markeredgewidth=1.5)


def _bars(axes: Axes, data: DataFrame, labels: list[str], shown: list[str]) -> None:
    counts = data.groupby(["label", "verdict"]).size().unstack(fill_value=0)
    counts = counts.reindex(labels, fill_value=0).reindex(columns=shown, fill_value=0)
    left = counts["completed"] * 0
    for verdict in shown:
        axes.barh(range(len(labels)), counts[verdict], left=left, color=VERDICTS[verdict],
                  height=0.7, edgecolor="#777777", linewidth=0.4)  # fmt: skip
        left = left + counts[verdict]
