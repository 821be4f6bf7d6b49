"""The content of a panel: points and curves of labels, references, outliers at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray
from pandas import DataFrame, isna

from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.label_groups import FADED


def points(
    axes: Axes, rows: DataFrame, x: str, look: Look, *, by: str = "", y: str = "accuracy_percent"
) -> None:
    """Draw a label: its means joined, bars of the standard deviation, and a dot per seed.

    ``by`` is the column that the rows of one mean share, if that is not ``x`` itself.
    """
    means = rows.groupby(by or x).agg(at=(x, "mean"), mean=("mean", "first"), sd=("sd", "first"))
    axes.errorbar(
        means["at"], means["mean"], yerr=None if means["sd"].isna().all() else means["sd"],
        color=look.colour, linestyle=look.line, marker=look.marker, markerfacecolor="white",
        elinewidth=0.8,
    )  # fmt: skip
    # In front of the hollow mean, where most of the dots are.
    axes.plot(rows[x], rows[y], "o", color=look.colour, markersize=1.8, markeredgewidth=0, zorder=3)


def across(axes: Axes, rows: DataFrame, x: str, y: float, look: Look) -> None:
    """Draw a label in its own row: its mean, a bar of its standard deviation, and each seed."""
    if rows.empty:
        return
    mean, sd = rows["mean"].iloc[0], rows["sd"].iloc[0]
    axes.errorbar(
        mean, y, xerr=None if isna(sd) else sd, color=look.colour, marker=look.marker,
        markerfacecolor="white", elinewidth=0.8,
    )  # fmt: skip
    axes.plot(
        rows[x], [y] * len(rows), "o", color=look.colour, markersize=1.8, markeredgewidth=0,
        zorder=3,
    )  # fmt: skip


def curves(axes: Axes, data: DataFrame, x: str, y: str, looks: dict[str, Look]) -> None:
    """Draw for each label a thin line per seed, and the mean wherever all seeds have a value."""
    # Faded labels first, so that the named ones are in front.
    for label in sorted(looks, key=lambda name: looks[name] != FADED):
        rows = data[(data["label"] == label) & data[y].notna()]
        if rows.empty:
            continue
        colour, marker, line = looks[label]
        for _, seed in rows.groupby("seed"):
            axes.plot(seed[x], seed[y], color=colour, alpha=0.35, linewidth=0.5)
        at = rows.groupby(x)[y].agg(["mean", "size"])
        mean = at.loc[at["size"] == rows["seed"].nunique(), "mean"]
        axes.plot(
            mean.index, mean, color=colour, linestyle=line, linewidth=1,
            marker="" if looks[label] == FADED else marker, markersize=3,
            markerfacecolor="white", markeredgewidth=0.7, markevery=max(1, len(mean) // 6),
        )  # fmt: skip


def reference(
    axes: Axes, dense: DataFrame, looks: dict[str, Look], *, along: Literal["x", "y"] = "y"
) -> None:
    """Draw the mean of the dense network, and a band of its standard deviation, on an axis."""
    if dense.empty:
        return
    mean, sd = float(dense["mean"].iloc[0]), float(dense["sd"].iloc[0])
    look = looks[DENSE]
    if len(dense) > 1:
        span = axes.axvspan if along == "x" else axes.axhspan
        span(mean - sd, mean + sd, color=look.colour, alpha=0.15, linewidth=0)
    line = axes.axvline if along == "x" else axes.axhline
    line(mean, color=look.colour, linestyle=look.line)


def cut(panels: Sequence[Axes], along: Literal["x", "y"], keep: Sequence[float] = ()) -> str:
    """Leave far outliers out of a shared axis, and mark them by triangles at its edge.

    Far outliers are more than five interquartile ranges beyond the quartiles of all points of the
    panels; the values to ``keep`` always stay in. Returns the meaning of the triangles, if any.
    """
    held = [
        (axes, line)
        for axes in panels
        for line in axes.lines
        if line.get_marker() not in {"", "None", "|", None}
    ]
    column = int(along == "y")
    values = np.concatenate([_xy(line)[:, column] for _, line in held] or [np.empty(0)])
    values = values[np.isfinite(values)]
    if not len(values):
        return ""
    low, high = np.percentile(values, [25, 75])
    reach = 5 * max(high - low, 1e-9)
    inside = [*values[(values >= low - reach) & (values <= high + reach)], *keep]
    if len(inside) - len(keep) == len(values):
        return ""
    pad = 0.06 * (max(inside) - min(inside) or 1)
    ends = (min(inside) - pad, max(inside) + pad)
    for axes, line in held:
        _mark(axes, line, column, ends)
    for axes in panels:
        axes.set(**{f"{along}lim": ends})
    return "triangles at an edge: points far beyond it"


def _mark(axes: Axes, line: Line2D, column: int, ends: tuple[float, float]) -> None:
    points = _xy(line)
    beyond = (points[:, column] < ends[0], points[:, column] > ends[1])
    for end, gone, sign in zip(ends, beyond, ("<>", "v^")[column], strict=True):
        if gone.any():
            edge = points[gone].copy()
            edge[:, column] = end
            marks = axes.plot(
                edge[:, 0], edge[:, 1], sign, color=line.get_color(), markersize=4,
                markeredgewidth=0, clip_on=False, zorder=6,
            )  # fmt: skip
            marks[0].set_in_layout(False)


def _xy(line: Line2D) -> NDArray[np.float64]:
    return np.asarray(line.get_xydata(), dtype=np.float64).reshape(-1, 2)


def log_ticks(axis: Axis) -> None:
    """Write plain numbers on a logarithmic axis, with more of them if its range is small."""
    low, high = axis.get_view_interval()
    fine, wide = (1, 1.5, 2, 3, 4, 5, 7), (1,)
    subs = fine if high < 8 * low else wide if high > 300 * low else (1, 2, 5)
    axis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axis.set_minor_locator(NullLocator())
