"""Accuracy against sparsity: a facet per backbone and start, a line per label, every seed shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from pandas import DataFrame

from fggp.analysis.frames import DENSE, marks
from fggp.analysis.style import WIDTH, Look, looks

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "density", "x", "seed",
    "accuracy_percent", "mean", "sd", "n",
]  # fmt: skip
GROUP = ["backbone", "start", "label", "sparsity"]


def accuracy_vs_sparsity(runs: DataFrame, title: str = "") -> tuple[Figure, DataFrame]:
    """Draw test accuracy at the last epoch against sparsity.

    Takes ``runs.csv`` as `fggp.analysis.frames.read_runs` returns it, and what to write above.

    Returns:
        The figure, and what it shows: a row per point with columns `COLUMNS` (accuracies in %;
        ``x`` is the density, moved a little sideways for each label; ``mean``, sample ``sd`` and
        ``n`` are those over the seeds; the dense reference, of which only these are drawn, has
        neither ``density`` nor ``x``). A method with one start stands in every start of its
        backbone.

    """
    data = shown(runs)
    sparse = data[data["label"] != DENSE]
    starts, backbones = list(sparse["start"].unique()), list(sparse["backbone"].unique())
    rows, columns = max(len(starts), 1), max(len(backbones), 1)
    figure = Figure(figsize=(WIDTH, 1.2 + 1.6 * rows), layout="constrained")
    if sparse.empty:
        figure.text(0.5, 0.5, "no results of sparse networks yet", ha="center", va="center")
    else:
        grid = figure.subplots(rows, columns, sharex=True, sharey="col", squeeze=False)
        look = looks(list(dict.fromkeys([*sparse["label"], DENSE])))
        for row, start in enumerate(starts):
            for column, backbone in enumerate(backbones):
                facet = (data["start"] == start) & (data["backbone"] == backbone)
                _facet(grid[row, column], data[facet], look)
        _scale(grid[0, 0], sparse)
        _name(grid, sparse)
        _frame(figure, runs, data, look)
        _head(figure, data, title)
    _warn(figure, marks(runs))
    return figure, data


def shown(runs: DataFrame) -> DataFrame:
    """Return the points of the figure; see `accuracy_vs_sparsity`."""
    ranked = runs[runs["ranks"]]
    both = ranked[ranked["starts"] == "both"].sort_values("initial_sparsity", kind="stable")
    rows = list(both["start"].unique()) or list(ranked["start"].unique())
    reference = runs[(runs["label"] == DENSE) & runs["backbone"].isin(ranked["backbone"])]
    everywhere = pd.concat([ranked[ranked["starts"] == "one"], reference])
    facets = [pd.concat([both[both["start"] == row], everywhere]).assign(start=row) for row in rows]
    if not facets:
        return DataFrame(columns=COLUMNS)
    data = pd.concat(facets, ignore_index=True)
    # Study order, so that neither legend nor colours follow the facets.
    order = {label: index for index, label in enumerate(runs["label"].unique())}
    backbone = {name: index for index, name in enumerate(runs["backbone"].unique())}
    data = data.assign(
        accuracy_percent=(100 * data["accuracy_last"]).round(10),
        label_order=data["label"].map(order),
        backbone_order=data["backbone"].map(backbone),
        start_order=data["start"].map({row: index for index, row in enumerate(rows)}),
    ).sort_values(
        ["backbone_order", "start_order", "label_order", "sparsity", "seed"], ignore_index=True
    )
    line = data.groupby(GROUP)["accuracy_percent"]
    data = data.assign(
        mean=line.transform("mean"), sd=line.transform("std"), n=line.transform("size")
    )
    return _placed(data)[COLUMNS]


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
    dense = data[data["label"] == DENSE]
    if not dense.empty:
        mean, sd = float(dense["mean"].iloc[0]), float(dense["sd"].iloc[0])
        colour, _, line = look[DENSE]
        if len(dense) > 1:
            axes.axhspan(mean - sd, mean + sd, color=colour, alpha=0.15, linewidth=0)
        axes.axhline(mean, color=colour, linestyle=line, label=DENSE)
    for label, points in data[data["label"] != DENSE].groupby("label", sort=False):
        colour, marker, line = look[str(label)]
        means = points.drop_duplicates("sparsity")
        axes.errorbar(
            means["x"],
            means["mean"],
            yerr=None if means["sd"].isna().all() else means["sd"],
            color=colour,
            linestyle=line,
            marker=marker,
            markerfacecolor="white",
            elinewidth=0.8,
            label=str(label),
        )
        # In front of the hollow mean, since that is where most of them are.
        axes.plot(
            points["x"], points["accuracy_percent"], "o", color=colour,
            markersize=1.8, markeredgewidth=0, zorder=3,
        )  # fmt: skip


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
        texts.append(f"{100 * (1 - density):.4g} %" if apart else "")
        last = np.log10(density) if apart else last
    axes.set_xticks(densities, texts[::-1])


def _name(grid: Any, sparse: DataFrame) -> None:
    """Name the columns above, the rows on the right, and the axis below."""
    for axes, (name, facet) in zip(grid[0], sparse.groupby("backbone", sort=False), strict=True):
        width = float(facet["width"].iloc[0])
        axes.set_title(str(name) if width == 1 else f"{name} at width {width:.4g}")
    for axes, start in zip(grid[:, -1], sparse["start"].unique(), strict=True):
        axes.text(
            1.03, 0.5, start, transform=axes.transAxes, rotation=270, ha="left", va="center"
        )  # fmt: skip
    for axes in grid[-1]:
        axes.set_xlabel("sparsity (log scale of density)")


def _frame(figure: Figure, runs: DataFrame, data: DataFrame, look: dict[str, Look]) -> None:
    """Add the common label of the axes and the legend."""
    figure.supylabel("test accuracy at the last epoch (%)", fontsize=8)
    one = set(runs.loc[runs["starts"] == "one", "label"]) - {DENSE}
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(str(label), handle)
    names = [label for label in look if label in entries]
    texts = [f"{name} (one start)" if name in one else name for name in names]
    figure.legend(
        [entries[name] for name in names],
        texts,
        loc="outside lower center",
        ncols=_legend_columns(texts),
    )


def _head(figure: Figure, data: DataFrame, title: str) -> None:
    """Write the study above the facets, and what the marks mean."""
    low, high = int(data["n"].min()), int(data["n"].max())
    n = f"{low}" if low == high else f"{low} to {high}"
    meaning = (
        f"Mean over n = {n} seeds; dots: single seeds; bars and band: ± sample standard deviation"
        if high > 1
        else "n = 1 seed"
    )
    figure.suptitle("\n".join(filter(None, [title, meaning])), fontsize=7)


def _legend_columns(texts: list[str]) -> int:
    """Return the most columns that fit into the width, at 8 points and some inches per sign."""
    for number in range(len(texts), 1, -1):
        columns = np.array_split(np.array([len(text) for text in texts]), number)
        if sum(0.55 + 0.062 * column.max() for column in columns) <= WIDTH:
            return number
    return 1


def _warn(figure: Figure, warnings: list[str]) -> None:
    for index, warning in enumerate(warnings):
        figure.text(
            0.5, 0.5 - 0.12 * index, warning.partition(":")[0], rotation=20, fontsize=36,
            color="#b00000", alpha=0.2, ha="center", va="center", zorder=10,
        )  # fmt: skip
