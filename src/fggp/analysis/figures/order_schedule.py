"""The order of the criteria, at a fixed rate and with each way of annealing it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.fggp_variants import ORDERS, Variant, look_of, mean_amount, variants
from fggp.analysis.figures.captions import clauses, meaning
from fggp.analysis.figures.drawing import points
from fggp.analysis.figures.label_groups import summed
from fggp.analysis.figures.layout import Drawn, blank, by_setting, canvas, head, legend
from fggp.analysis.study_tables import Material

COLUMNS = [
    "backbone", "width", "start", "sparsity", "order", "kind", "words", "label", "seed",
    "accuracy_percent", "mean", "sd", "n",
]  # fmt: skip
CONSTANT = "constant"


@figure("Ablations", place=2)
def order_schedule(material: Material) -> Drawn:
    """Test accuracy of fggp with gradient or magnitude first, at constant and annealed rates.

    Test accuracy at the last epoch of the labels of ``fggp`` that differ only in rate and order.
    The constant rate is one that both orders have, if there is one; of several, it is the nearest
    to the mean of the first annealed rate over its updates. The rates and the number of seeds n are
    given below. This is not a symmetric factorial design: annealing towards 0 ends in pruning by
    gradient alone with the gradient first, and in GMP with the magnitude first. Dots are single
    seeds, hollow markers are means, and bars are one sample standard deviation.

    Returns:
        The figure, and a row per training.

    """
    found = variants(material)
    arms = _arms(material, found)
    data = _points(material, arms)
    there = data.groupby(["order", "kind"], sort=False)
    kinds = list(dict.fromkeys(kind for _, kind in arms))
    if data["order"].nunique() < 2 or data["kind"].nunique() < 2:
        return blank(
            "needs fggp in both orders of its criteria, each with a constant and an annealed rate",
            COLUMNS,
        )
    figure = canvas(1.4 + 1.5 * data.groupby(["backbone", "start"]).ngroups)
    looks = {order: look_of(material, found, order) for order in dict.fromkeys(data["order"])}
    for axes, facet in by_setting(figure, data):
        for order, rows in facet.groupby("order", sort=False):
            aside = 0.03 * (ORDERS.index(str(order)) - 0.5)
            x = rows["kind"].map(kinds.index) + aside
            points(axes, rows.assign(x=x), "x", looks[str(order)])
        axes.set_xlim(-0.4, len(kinds) - 0.6)
        axes.set_xticks(range(len(kinds)), kinds)
    figure.supylabel("test accuracy at the last epoch (%)", fontsize=8)
    legend(figure, {order: looks[order] for order in ORDERS if order in looks})
    gone = [f"{order}, {kind}" for order in ORDERS for kind in kinds
            if (order, kind) not in there.groups]  # fmt: skip
    missing = f"no results of {' and '.join(gone)}" if gone else ""
    head(
        figure,
        material.title,
        meaning(data, reference=False),
        clauses(*(f"{kind}: {_words(arms, kind)}" for kind in kinds), missing),
        "Not a symmetric design: annealing leads one order to the gradient alone, the other to GMP",
    )
    return figure, data


def _arms(material: Material, found: Sequence[Variant]) -> dict[tuple[str, str], Variant]:
    """Return the variant of each order and kind, among those that share their other settings."""
    best: dict[tuple[str, str], Variant] = {}
    for rest in dict.fromkeys(v.rest for v in found):
        own = [v for v in found if v.rest == rest]
        annealed = [v for kind in _schedules(own) for v in _shared(own, kind, near=None)]
        found_means = [mean_amount(material, v.label, v.setting) for v in annealed]
        means = [mean for mean in found_means if mean is not None]
        constant = _shared(own, CONSTANT, near=means[0] if means else None)
        best = max(best, {(v.order, _kind(v)): v for v in [*constant, *annealed]}, key=len)
    return best


def _kind(variant: Variant) -> str:
    return CONSTANT if variant.rate is not None else str(variant.setting["schedule"])


def _schedules(found: Sequence[Variant]) -> list[str]:
    return [kind for kind in dict.fromkeys(map(_kind, found)) if kind != CONSTANT]


def _shared(found: Sequence[Variant], kind: str, *, near: float | None) -> list[Variant]:
    """Return, for each order that has it, the variant of the rate that most orders have."""
    rates: dict[str, list[Variant]] = {}
    for variant in found:
        if _kind(variant) == kind:
            rates.setdefault(variant.words, []).append(variant)
    return min(
        rates.values(),
        key=lambda arms: (
            -len({v.order for v in arms}),
            0 if near is None or arms[0].rate is None else abs(arms[0].rate - near),
        ),
        default=[],
    )


def _points(material: Material, arms: dict[tuple[str, str], Variant]) -> DataFrame:
    shown = summed(material.shown[material.shown["label"] != DENSE], "accuracy_percent")
    parts = [
        shown[shown["label"] == v.label].assign(order=order, kind=kind, words=v.words)
        for (order, kind), v in sorted(arms.items())
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else DataFrame(columns=COLUMNS)


def _words(arms: dict[tuple[str, str], Variant], kind: str) -> str:
    words = next(arm.words for (_, own), arm in arms.items() if own == kind)
    return words.removeprefix(f"{kind} ")
