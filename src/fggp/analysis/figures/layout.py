"""The layout of figures: panels, their names, a title above and a legend below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import fill, shorten
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from pandas import DataFrame

from fggp.analysis.figure_style import WIDTH, Look
from fggp.analysis.study_tables import Material
from fggp.foundation.exact import ratio
from fggp.foundation.quantities import percent

Drawn = tuple[Figure, DataFrame]
"""A figure and the data that it shows."""

NARROW = 4
"""The width in inches below which names of panels take more lines or smaller letters."""

STRIP = 0.12
"""Inches below the panels that a warning takes."""

SIGNS = 19
"""Characters per inch at 7 points."""


def canvas(height: float) -> Figure:
    """Return an empty figure of the width in use (see `styled`) and a height in inches."""
    return Figure(figsize=(_width(), height), layout="constrained")


def blank(text: str, columns: Sequence[str]) -> Drawn:
    """Return a strip with the reason why there is nothing to draw."""
    figure = canvas(0.75)
    sentence = f"Skipped: {text}."
    words = fill(sentence, int(0.9 * SIGNS * _width()))
    figure.text(0.5, 0.4, words, ha="center", va="center", fontsize=7)
    figure.set_label(sentence)
    return figure, DataFrame(columns=list(columns))


def head(figure: Figure, title: str, *lines: str) -> None:
    """Name the study above the panels, and keep the meaning of the markers for the caption."""
    entitle(figure, title)
    figure.set_label("\n".join(f"{line}." for line in lines if line))


def entitle(figure: Figure, title: str) -> None:
    """Write a title above the panels in one line; none if empty.

    A title that is too long loses clauses from its end.
    """
    room, text = int(SIGNS * figure.get_figwidth()), title
    while len(text) > room and ", " in text:
        text = text.rpartition(", ")[0]
    text = shorten(text, room, placeholder=" …")
    # A description is plain text: a $ in it does not begin mathematics.
    figure.suptitle(text, fontsize=7, parse_math=False).set_in_layout(bool(text))


def notes(figure: Figure) -> list[str]:
    """Return the sentences that belong in the caption of a figure of this study."""
    return str(figure.get_label()).splitlines()


def warn_below(figure: Figure, warnings: Iterable[str]) -> None:
    """Write the warnings in small letters into a strip below the panels, if there are any."""
    if not (text := "; ".join(warnings)):
        return
    strip = STRIP / figure.get_figheight()
    figure.set_layout_engine("constrained", rect=(0, strip, 1, 1 - strip))
    for legend in figure.legends:  # the layout engine leaves room for these below the panels
        legend.borderaxespad += 72 * STRIP / legend.prop.get_size_in_points()
    figure.text(0.995, 0.012, text, fontsize=6, color="#b00000", ha="right", va="bottom")


def warn(figure: Figure, warnings: Iterable[str]) -> None:
    """Write the first word of each warning across the figure."""
    size = min(36, 36 * figure.get_figheight())
    for index, warning in enumerate(warnings):
        figure.text(
            0.5, 0.5 - 0.12 * index, warning.partition(":")[0], rotation=20, fontsize=size,
            color="#b00000", alpha=0.2, ha="center", va="center", zorder=10,
        )  # fmt: skip


def beside(most: int) -> int:
    """Return the number of panels in a row if ``most`` fit into the default width."""
    return max(1, round(most * _width() / WIDTH))


def narrow() -> bool:
    """Whether a figure is as wide as one of two columns of a page."""
    return _width() < NARROW


def _width() -> float:
    return float(mpl.rcParams["figure.figsize"][0])


def places(data: DataFrame) -> Iterator[tuple[str, DataFrame]]:
    """Yield each backbone and start in the data, with its name in lines and its rows."""
    for (backbone, start), facet in data.groupby(["backbone", "start"], sort=False):
        width = float(facet["width"].iloc[0])
        lines = [str(backbone), "" if width == 1 else f"width {width:.4g}", str(start)]
        yield "\n".join(filter(None, lines)), facet


def name_row(axes: Axes, name: str) -> None:
    """Write the name of a row of panels to the right of its last one."""
    axes.text(
        1.03, 0.5, name, transform=axes.transAxes, rotation=270, ha="left", va="center",
        multialignment="center", fontsize=7,
    )  # fmt: skip


def by_setting(
    figure: Figure, data: DataFrame, below: str = ""
) -> Iterator[tuple[Axes, DataFrame]]:
    """Yield a panel for each setting, with its rows: sparsities side by side, the rest below.

    ``below`` is written under the last panel of each column.
    """
    rows, sparsities = list(places(data)), sorted(data["sparsity"].unique())
    grid = figure.subplots(len(rows), len(sparsities), sharex=True, squeeze=False)
    for axes, sparsity in zip(grid[0], sparsities, strict=True):
        axes.set_title(level(sparsity))
    for axes in grid[-1]:
        axes.set_xlabel(below)
    for line, (name, facet) in zip(grid, rows, strict=True):
        name_row(line[-1], name)
        for axes, sparsity in zip(line, sparsities, strict=True):
            yield axes, facet[facet["sparsity"] == sparsity]


def level(sparsity: float) -> str:
    """Return the name of a panel of one sparsity."""
    between = "\n" if narrow() else " "
    return f"{percent(sparsity)}{between}sparsity"


def over_epochs(
    material: Material, data: DataFrame, rows: Sequence[str], height: float
) -> tuple[Figure, Any]:
    """Return a figure with a column per backbone and start, a row per quantity, over epochs.

    The pruning window is shaded. Returns the figure and its panels, an array of two dimensions.
    """
    columns = list(places(data))
    figure = canvas(1.2 + height * len(rows))
    grid = figure.subplots(len(rows), len(columns), sharex=True, sharey="row", squeeze=False)
    pruning = material.configuration.get("pruning")
    last = material.configuration.get("training", {}).get("epochs", data["x"].max())
    grid[0, 0].set_xlim(0, 1.03 * last)
    end = pruning and (pruning["end_epoch"] or float(ratio(pruning["end_share"])) * last)
    for axes in grid.flat:
        if pruning:
            axes.axvspan(pruning["begin_epoch"], end, color="#f0f0f0", linewidth=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    for axes, (name, _) in zip(grid[0], columns, strict=True):
        axes.set_title(name, fontsize=7)
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    for axes, name in zip(grid[:, 0], rows, strict=True):
        axes.set_ylabel(name)
    figure.align_ylabels(grid[:, 0])
    return figure, grid


def categories(axes: Axes, labels: Sequence[str], *, names: Sequence[str] = ()) -> None:
    """Set a vertical axis of labels, the first at the top; ``names`` are shown instead, if any."""
    axes.set_yticks(range(len(labels)), [*(names or labels)], fontsize=6 if len(labels) > 10 else 7)
    axes.set_ylim(len(labels) - 0.4, -0.6)


def height_of(labels: Sequence[str]) -> float:
    """Return the height in inches of a panel with a row per label, including its name."""
    return max(1.15, 0.25 + len(labels) * (0.17 if len(labels) <= 10 else 0.13))


def legend(figure: Figure, looks: dict[str, Look], texts: Mapping[str, str] | None = None) -> None:
    """Add a legend below the panels: an entry per label, with its name in ``texts``."""
    texts = texts or {}
    handles = [entry(look) for look in looks.values()]
    words = [texts.get(label, label) for label in looks]
    columns = fitting(words, figure.get_figwidth())
    lines = -(-len(words) // columns)
    figure.set_figheight(figure.get_figheight() + 0.17 * (lines - 1))
    figure.legend(handles, words, loc="outside lower center", ncols=columns)


def entry(wanted: Look) -> Line2D:
    """Return the legend handle of a look."""
    colour, marker, line = wanted
    look: dict[str, Any] = {"color": colour, "marker": marker, "linestyle": line}
    return Line2D([], [], markerfacecolor="white", **look)


def fitting(texts: Sequence[str], width: float) -> int:
    """Return the largest number of legend columns that fit into a width in inches, at 8 points."""
    for columns in range(len(texts), 1, -1):
        parts = np.array_split(np.array([len(text) for text in texts]), columns)
        if sum(0.55 + 0.062 * part.max() for part in parts) <= width:
            return columns
    return 1
