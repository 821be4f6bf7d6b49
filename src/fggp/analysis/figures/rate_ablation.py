"""The effect of the rate: accuracy against fixed rates, with annealed rates as lines."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.fggp_variants import ORDERS, SHARES, Variant, look_of, magnitude_alone, variants
from fggp.analysis.figure_style import Look
from fggp.analysis.figures.captions import clauses, meaning
from fggp.analysis.figures.drawing import cut, points, reference
from fggp.analysis.figures.label_groups import summed
from fggp.analysis.figures.layout import Drawn, blank, by_setting, canvas, head, legend
from fggp.analysis.study_tables import Material

COLUMNS = [
    "backbone", "width", "start", "sparsity", "order", "rate", "words", "label", "seed",
    "accuracy_percent", "mean", "sd", "n",
]  # fmt: skip
LEVEL = "-."
FEWEST = 3
"""The fewest rates of a curve; the markers of an order with fewer are not joined."""


@figure("Ablations", place=1)
def rate_ablation(material: Material) -> Drawn:
    """Test accuracy against the constant rate of fggp, with annealed rates, GMP and dense.

    Test accuracy at the last epoch against the constant rate of ``fggp``: the share of the active
    weights that the second criterion chooses from (with the pool "kept": the share of the kept
    weights that it decides). A line joins the labels that differ only in the rate, one line per
    order of the criteria. The ends are the gradient alone and GMP, from whichever labels have them.
    With the gradient first, rate 0 is the gradient alone, and rate 1 is GMP that reads the same
    ``weights``; with the magnitude first it is the reverse. Dash-dotted lines are the means of
    annealed rates, and the dashed grey line is the dense network. Dots are single seeds, and hollow
    markers are means; bars and the band are one sample standard deviation over seeds. The number of
    seeds n is given below. A curve needs at least three rates; if no order has three, there is no
    figure.

    Returns:
        The figure, and a row per training; ``rate`` is missing for annealed rates and dense.

    """
    family, ends = _family(variants(material)), []
    if family:
        ends = _ends(family, magnitude_alone(material, family[0].rest))
    data = _points(material, [*family, *ends])
    constant = data[data["rate"].notna()]
    rates = constant.groupby("order")["rate"].nunique()
    if rates.max() < FEWEST or rates.empty:
        return blank(
            "a curve needs fggp at three constant rates, with its other settings and the order of "
            "its criteria the same",
            COLUMNS,
        )
    looks = {
        str(order): look_of(material, family, str(order))._replace(line="-" if joined else "")
        for order, joined in (rates >= FEWEST).items()
    }
    figure = canvas(1.4 + 1.5 * constant.groupby(["backbone", "start"]).ngroups)
    far: list[str] = []
    annealed = list(data.loc[data["rate"].isna() & data["label"].ne(DENSE), "label"].unique())
    for axes, facet in by_setting(figure, constant, "rate"):
        here = data.merge(facet[["backbone", "start"]].drop_duplicates(), on=["backbone", "start"])
        here = here[here["sparsity"].isin([0, facet["sparsity"].iloc[0]])]
        reference(axes, here[here["label"] == DENSE], material.looks)
        for label in annealed:
            _level(axes, here[here["label"] == label], material.looks[label])
        for order, rows in facet.groupby("order", sort=False):
            points(axes, rows, "rate", looks[str(order)])
        far.append(cut([axes], "y", [*here.loc[here["rate"].isna(), "mean"]]))
    figure.supylabel("test accuracy at the last epoch (%)", fontsize=8)
    shown = {order: looks[order] for order in ORDERS if order in looks}
    shown |= {label: material.looks[label]._replace(marker="", line=LEVEL) for label in annealed}
    if (data["label"] == DENSE).any():
        shown[DENSE] = material.looks[DENSE]
    legend(figure, shown, material.names)
    head(
        figure,
        material.title,
        clauses(meaning(data), (annealed and "dash-dotted: means of annealed rates") or "", *far),
        f"Rate: {SHARES[family[0].pool]}",
        "Gradient first: 0 is the gradient alone, 1 is GMP; magnitude first: the reverse",
    )
    return figure, data


def _family(found: Sequence[Variant]) -> list[Variant]:
    """Return the variants that share their other settings, from the family with the most rates."""
    families: dict[str, list[Variant]] = {}
    for variant in found:
        families.setdefault(variant.rest, []).append(variant)
    return max(
        families.values(), key=lambda family: len({v.rate for v in family} - {None}), default=[]
    )


def _ends(family: Sequence[Variant], gmp: Sequence[str]) -> list[Variant]:
    """Return the limits of a family for which other labels, or its other order, have results.

    Rate 1 of one order leaves the choice to the same criterion as rate 0 of the other order.
    """
    orders = [order for order in ORDERS if any(v.order == order for v in family)]
    held = {(v.order, v.rate) for v in family}
    twins = {(order, other): 1 - other for order in orders for other in (0.0, 1.0)}
    ends = []
    for (order, rate), twin in twins.items():
        if (order, rate) in held:
            continue
        there = [v.label for v in family if v.order != order and v.rate == twin]
        alone = rate == float(order == "gradient-first")
        label = next(iter([*there, *(gmp if alone else [])]), None)
        if label is not None:
            ends.append(Variant(label, order, rate, family[0].rest))
    return ends


def _points(material: Material, chosen: Sequence[Variant]) -> DataFrame:
    shown = summed(material.shown, "accuracy_percent")
    parts = [
        shown[shown["label"] == v.label].assign(order=v.order, rate=v.rate, words=v.words)
        for v in chosen
    ]
    dense = shown[shown["label"] == DENSE].assign(order=None, rate=None, words=None)
    data = pd.concat([*parts, dense], ignore_index=True).astype({"rate": "float64"})
    return data[COLUMNS]


def _level(axes: Axes, rows: DataFrame, look: Look) -> None:
    if not rows.empty:
        axes.axhline(rows["mean"].iloc[0], color=look.colour, linestyle=LEVEL, linewidth=1)
