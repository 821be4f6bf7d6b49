"""The reference against every other method: one row each, over all settings."""

from __future__ import annotations

from matplotlib.axes import Axes
from pandas import DataFrame, isna

from fggp.analysis.catalogue import figure
from fggp.analysis.figures.captions import clauses
from fggp.analysis.figures.drawing import cut
from fggp.analysis.figures.layout import Drawn, blank, canvas, categories, head
from fggp.analysis.pairs import STARTS, nothing
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.formats import Row, records
from fggp.analysis.tables.per_setting import per_setting
from fggp.foundation.quantities import count

KEYS = ["blocks", "reference", "rival"]
COLUMNS = [
    *KEYS, "kind", "settings", "seeds", "difference_points", "grid_low", "grid_high",
]  # fmt: skip


@figure("Results", place=4)
def paired_differences(material: Material) -> Drawn:
    """The reference method minus every other method, over all settings, with intervals.

    Differences are in points of test accuracy at the last epoch, paired by seed. There is a row per
    rival of another method; variants of the reference are in the figure ``forest``. Dots are the
    means of settings. The diamond is the mean over all of them, with the paired t interval of the
    declared plan on this fixed grid: the noise is that of seeds. If a rival has one start, there is
    a row per start of the reference.

    Returns:
        The figure, and its rows: ``kind`` "grid" is a diamond with its interval, "setting" a dot.

    """
    data = _rows(material)
    if data.empty:
        return blank(nothing(material.plan), COLUMNS)
    lines = [part for _, part in data.groupby(KEYS, sort=False)]
    figure = canvas(0.75 + 0.24 * len(lines))
    axes = figure.subplots()
    axes.axvspan(-material.plan.rope, material.plan.rope, color="#dddddd", linewidth=0)
    axes.axvline(0, color="#777777", linewidth=0.8)
    axes.grid(visible=False, axis="y")
    for y, part in enumerate(lines):
        for row in records(part):
            _mark(axes, y, row, material.looks[str(row["rival"])].colour)
    categories(axes, [_name(part, material) for part in lines])
    axes.set_xlabel(f"{material.name(material.plan.reference)} minus rival (points)")
    far = clauses(cut([axes], "x", keep=[0]))
    head(figure, material.title, *_words(data, material, far))
    return figure, data


def _rows(material: Material) -> DataFrame:
    """Return the pairs with other methods: first the row over all settings, then each setting."""
    runs, plan = material.compared, material.plan
    method = dict(zip(runs["label"], runs["method"], strict=True))
    own = method.get(plan.reference)
    over = comparisons(runs, plan).assign(kind="grid")
    over = over[over["rival"].map(method) != own].reindex(columns=COLUMNS)
    inside = per_setting(runs, plan).assign(kind="setting", settings=1)
    inside = inside.set_index(KEYS).reindex(columns=COLUMNS[len(KEYS) :])
    rows = []
    for row in records(over):
        rows.append(row)
        key = tuple(row[name] for name in KEYS)
        rows += [
            dict(zip(KEYS, key, strict=True)) | setting for setting in records(inside.loc[[key]])
        ]
    return DataFrame(rows, columns=COLUMNS)


def _mark(axes: Axes, y: int, row: Row, colour: str) -> None:
    mean, low, high = (row[name] for name in ("difference_points", "grid_low", "grid_high"))
    if row["kind"] == "setting":
        axes.plot(mean, y, "o", color=colour, markersize=3, markeredgewidth=0, alpha=0.6, zorder=2)
        return
    if not isna(low):
        axes.plot([low, high], [y, y], color="black", linewidth=1.4, zorder=3)
    axes.plot(mean, y, "D", color="black", markerfacecolor=colour, markersize=4.5, zorder=4)


def _name(part: DataFrame, material: Material) -> str:
    """Name a rival, with the start of the reference if there is one."""
    reference, rival = str(part["reference"].iloc[0]), str(part["rival"].iloc[0])
    start = reference.removeprefix(material.plan.reference).removeprefix(", ")
    return material.name(rival) + (f" ({start})" if start else "")


def _words(data: DataFrame, material: Material, far: str) -> tuple[str, ...]:
    grid = data[data["kind"] == "grid"]
    seeds = count(int(grid["seeds"].max()), "seed")
    settings = count(int(grid["settings"].max()), "setting")
    lines = "no intervals: too few seeds"
    if not grid["grid_low"].isna().all():
        lines = f"lines: {material.plan.confidence} t intervals on this grid, not adjusted"
    alone = not (grid["blocks"] == STARTS).all()
    return (
        clauses(f"Diamonds: mean over at most {settings}, n = {seeds} paired; {lines}", far),
        f"Dots: inside a setting; band: ± {material.plan.rope:g} points",
        "In brackets: the start of the reference, if the rival has one start" if alone else "",
    )
