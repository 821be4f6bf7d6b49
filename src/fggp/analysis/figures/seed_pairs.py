"""The benefit of pairing by seed: deviations of the reference against those of each rival."""

from __future__ import annotations

from math import sqrt
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from pandas import DataFrame, concat

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import clauses, number
from fggp.analysis.figures.drawing import cut
from fggp.analysis.figures.layout import Drawn, beside, blank, canvas, head
from fggp.analysis.plan import Plan
from fggp.analysis.stats.paired import worthwhile_correlation
from fggp.analysis.study_tables import Material
from fggp.foundation.quantities import counts

COLUMNS = [
    "reference", "label", "backbone", "width", "start", "sparsity", "seed", "reference_percent",
    "rival_percent", "reference_deviation", "rival_deviation", "correlation", "settings", "n",
]  # fmt: skip
SETTING = ["backbone", "start", "sparsity"]
FEWEST = 3
"""The fewest seeds of a setting: deviations of two from their mean differ only in sign."""


@figure("Diagnostics", place=6)
def seed_pairs(material: Material) -> Drawn:
    """Deviations of fggp from its mean against those of each rival, seed by seed.

    The benefit of pairing by seed. Each marker is a setting and a seed: the deviation of ``fggp``
    from its mean in the setting, against that of a rival, in points of test accuracy at the last
    epoch. The dotted line marks equal deviations. *r* is the correlation of these deviations over
    all settings. The numbers of settings and of seeds n are given below, with the correlation above
    which pairing shortens the interval of a setting. A rival with one start is paired with ``fggp``
    in each start.

    Returns:
        The figure, and a row per setting, seed and rival: both accuracies in %, their deviations
        from their means in that setting over the ``n`` seeds that both have, and the
        ``correlation`` of these deviations over all ``settings`` (missing if it is not defined).
        Dense is a reference, not a rival.

    """
    shown, us = material.shown, material.plan.reference
    data = _pairs(shown[shown["label"] != DENSE], us)
    if data.empty:
        return blank(f"needs {us} and a rival with {FEWEST} seeds in the same setting", COLUMNS)
    rivals = list(data.groupby("label", sort=False))
    columns = min(len(rivals), beside(4))
    rows = -(-len(rivals) // columns)
    figure = canvas(0.9 + 1.6 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (label, points) in zip(grid.flat, rivals, strict=False):
        _panel(axes, material.name(str(label)), points, material.looks[str(label)])
    for axes in list(grid.flat)[len(rivals) :]:
        axes.set_visible(False)
    for axes in list(grid.flat)[: len(rivals)][-columns:]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("rival: accuracy minus its mean in the setting (points)", fontsize=8)
    figure.supylabel(f"{material.name(us)}: accuracy minus its mean (points)", fontsize=8)
    used = list(grid.flat)[: len(rivals)]
    what, paired = _words(data, material.plan)
    head(figure, material.title, clauses(what, cut(used, "x"), cut(used, "y")), paired)
    return figure, data


def _pairs(shown: DataFrame, us: str) -> DataFrame:
    keys = [*SETTING, "seed"]
    own = shown.loc[shown["label"] == us, [*keys, "accuracy_percent"]]
    own = own.rename(columns={"accuracy_percent": "reference_percent"})
    data = shown[shown["label"] != us].merge(own, on=keys)
    data = data.rename(columns={"accuracy_percent": "rival_percent"})
    setting = data.groupby([*SETTING, "label"])
    data = data.assign(
        reference=us,
        n=setting["seed"].transform("size"),
        **{
            f"{who}_deviation": data[f"{who}_percent"] - setting[f"{who}_percent"].transform("mean")
            for who in ("rival", "reference")
        },
    )
    data = data[data["n"] >= FEWEST]
    parts = [
        points.assign(correlation=_correlation(points), settings=points.groupby(SETTING).ngroups)
        for _, points in data.groupby("label", sort=False)
    ]
    return DataFrame(columns=COLUMNS) if not parts else concat(parts, ignore_index=True)[COLUMNS]


def _correlation(points: DataFrame) -> float:
    """Return the correlation of the deviations, whose means are zero; NaN if one is constant."""
    x, y = points["rival_deviation"].to_numpy(), points["reference_deviation"].to_numpy()
    scale = sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / scale if scale > 1e-12 else np.nan


def _words(data: DataFrame, plan: Plan) -> tuple[str, str]:
    settings, seeds = int(data["settings"].max()), int(data["n"].max())
    known = data.groupby("label", sort=False)["correlation"].first().dropna()
    ends = dict.fromkeys(_signed(it) for it in (known.min(), known.max())) if len(known) else {}
    spread = " to ".join(ends) or "not defined"
    alone = worthwhile_correlation(seeds - 1, plan.alpha)
    pooled = worthwhile_correlation(settings * (seeds - 1), plan.alpha)
    return (
        f"A point per setting and seed: {counts(data['settings'], 'setting')}, "
        f"{number(data['n'])}; r: correlation within settings, {spread}",
        f"Pairing by seed shortens the {plan.confidence} interval only if r > {alone:.2f} (one "
        f"setting) or r > {pooled:.2f} (variance pooled over settings)",
    )


def _panel(axes: Axes, label: str, points: DataFrame, look: Look) -> None:
    for place in (axes.axhline, axes.axvline):
        place(0, color="#bbbbbb", linewidth=0.6)
    axes.axline((0, 0), slope=1, color="#bbbbbb", linewidth=0.6, linestyle=":").set_in_layout(False)
    axes.plot(
        points["rival_deviation"], points["reference_deviation"], look.marker or "o",
        color=look.colour, markerfacecolor="white", markersize=3.5,
    )  # fmt: skip
    r = points["correlation"].iloc[0]
    known = "not defined" if np.isnan(r) else _signed(r)
    axes.set_title(f"{fill(label, 22)}\nr = {known}", fontsize=7)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")
