"""The reference against each rival: differences inside every setting, and over all of them."""

from __future__ import annotations

from textwrap import fill

import pandas as pd
from matplotlib.axes import Axes
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.complete_grids import name_of
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import clauses
from fggp.analysis.figures.drawing import cut
from fggp.analysis.figures.layout import Drawn, beside, blank, canvas, categories, head, narrow
from fggp.analysis.pairs import STARTS, nothing
from fggp.analysis.plan import Plan
from fggp.analysis.spreads import OWN
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.formats import records
from fggp.analysis.tables.per_setting import per_setting
from fggp.foundation.quantities import count

COLUMNS = [
    "blocks", "reference", "rival", "row", "kind", "seeds", "settings", "difference_points", "low",
    "high", "p_holm", "spread",
]  # fmt: skip
POOLED = {"grid": "all, on this grid", "over_settings": "all, over settings"}
ACROSS = 4
"""Panels side by side: names of settings are long."""


@figure("Results", place=5)
def forest(material: Material) -> Drawn:
    """The reference method minus each rival: intervals in every setting and over all of them.

    Differences are in points of test accuracy at the last epoch, paired by seed. There is a panel
    per rival of the declared plan, and one per start of the reference if the rival has one start.
    Dots are settings, with paired t intervals; their variance is pooled over the settings of the
    pair, or that of the setting alone if the check of the plan rejects one variance for the pair.
    They are not corrected for the number of settings. Diamonds are the mean over all
    settings: filled with the noise of seeds (this fixed grid), hollow with that of settings
    (treated as a sample, which is only roughly true). The level of the intervals, the number of
    seeds n and the grey band of practical equivalence are given below.

    Returns:
        The figure, and a row per pair and setting (``kind`` "setting"; p by Holm over the settings
        of the pair), and two rows over all settings: "grid" with the noise of seeds,
        "over_settings" with that of settings.

    """
    data = _rows(material.compared, material.plan)
    if data.empty:
        return blank(nothing(material.plan), COLUMNS)
    groups = [list(part.groupby(["reference", "rival"], sort=False))
              for _, part in data.groupby("blocks", sort=False)]  # fmt: skip
    across = beside(ACROSS)
    lines = [group[at : at + across] for group in groups for at in range(0, len(group), across)]
    across = max(len(line) for line in lines)
    heights = [0.55 + 0.15 * len(line[0][1]) for line in lines]
    figure = canvas(0.9 + sum(heights))
    grid = figure.subplots(
        len(lines), across, height_ratios=heights, sharex="row", sharey="row", squeeze=False
    )
    for panels, line in zip(grid, lines, strict=True):
        for axes, ((reference, rival), rows) in zip(panels, line, strict=False):
            label = str(rival)
            _panel(axes, rows, material.looks[label], material.plan)
            axes.set_title(_title(str(reference), label, material), fontsize=6 if narrow() else 7)
        for axes in panels[len(line) :]:
            axes.set_visible(False)
        categories(panels[0], list(line[0][1]["row"]))
    figure.supxlabel(f"{material.name(material.plan.reference)} minus rival (points)", fontsize=8)
    used = [[axes for axes in panels if axes.get_visible()] for panels in grid]
    far = clauses(*(cut(panels, "x", keep=[0]) for panels in used))
    head(figure, material.title, *_words(data, material.plan, far))
    return figure, data


def _rows(runs: DataFrame, plan: Plan) -> DataFrame:
    keys = ["blocks", "reference", "rival"]
    inside = per_setting(runs, plan)
    inside["row"] = [
        name_of({key: it[key] for key in it if key != "start" or it["blocks"] == STARTS})
        for it in records(inside)
    ]
    parts = [inside.assign(kind="setting", settings=1)]
    over = comparisons(runs, plan)
    for kind, name in POOLED.items():
        ends = {"low": over[f"{kind}_low"], "high": over[f"{kind}_high"]}
        parts.append(over[[*keys, "seeds", "settings", "difference_points"]].assign(
            kind=kind, row=name, **ends
        ))  # fmt: skip
    order = {tuple(key): place for place, key in enumerate(over[keys].to_numpy())}
    data = pd.concat([part.reindex(columns=COLUMNS) for part in parts], ignore_index=True)
    place = [order[tuple(key)] for key in data[keys].to_numpy()]
    return data.assign(place=place).sort_values("place", kind="stable", ignore_index=True)[COLUMNS]


def _panel(axes: Axes, rows: DataFrame, look: Look, plan: Plan) -> None:
    axes.axvspan(-plan.rope, plan.rope, color="#dddddd", linewidth=0)
    axes.axvline(0, color="#777777", linewidth=0.8)
    axes.axhline((rows["kind"] == "setting").sum() - 0.5, color="#bbbbbb", linewidth=0.6)
    axes.grid(visible=False, axis="y")
    for y, row in enumerate(records(rows)):
        alone = row["kind"] == "setting"
        colour = look.colour if alone else "black"
        mean = row["difference_points"]
        if not pd.isna(row["low"]):
            axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1)
        filled = "white" if row["kind"] == "over_settings" else colour
        axes.plot(
            mean, y, "o" if alone else "D", color=colour, markerfacecolor=filled, markersize=3.5
        )


def _title(reference: str, rival: str, material: Material) -> str:
    """Name a pair, with the start of the reference if there is one."""
    start = reference.removeprefix(material.plan.reference).removeprefix(", ")
    return "\n".join(filter(None, [fill(material.name(rival), 17), start]))


def _spread(data: DataFrame, *, none: bool) -> str:
    """Return the source of the variance of the intervals of settings, in words."""
    if none:
        return ""
    own = list(dict.fromkeys(data.loc[data["spread"] == OWN, "rival"]))
    alone = f" (own variance of each setting: {', '.join(own)})" if own else ""
    return f", variance pooled over settings{alone}, no multiplicity correction"


def _words(data: DataFrame, plan: Plan, far: str) -> tuple[str, ...]:
    seeds = count(int(data["seeds"].max()), "seed")
    none = bool(data.loc[data["kind"] == "grid", "low"].isna().all())
    return (
        clauses(
            f"Mean difference, n = {seeds} paired; "
            + ("no intervals from seeds" if none else f"lines: {plan.confidence} t intervals"),
            far,
        ),
        f"Dots: inside a setting{_spread(data, none=none)}; band: ± {plan.rope:g} points",
        "Diamonds: over all settings; filled: noise of seeds (this grid), hollow: noise of "
        "settings",
    )
