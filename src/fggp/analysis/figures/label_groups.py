"""Groups of trainings: means over seeds, equal labels, conspicuous labels."""

from __future__ import annotations

from collections.abc import Sequence

from pandas import DataFrame

from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figure_style import Look

MOST = 8
"""The most labels that one panel of lines can distinguish."""

FAMILIAR = ("fggp", "gmp", "granet", DENSE)
SHARED = Look("#444444", "o")
"""The style of a line of several equal labels: the colour of none of them."""
FADED = Look("#c8c8c8", "o")
"""The style of all other labels."""


def summed(data: DataFrame, value: str) -> DataFrame:
    """Add ``mean``, sample ``sd`` and ``n`` of a value over the seeds of each setting and label."""
    line = data.groupby(["backbone", "start", "label", "sparsity"])[value]
    return data.assign(
        mean=line.transform("mean"), sd=line.transform("std"), n=line.transform("size")
    )


def alike(data: DataFrame, values: Sequence[str]) -> dict[str, list[str]]:
    """Return the labels to draw, each with the labels whose ``values`` are equal throughout.

    The rows of a label are identified by setting, seed and ``x``; fggp comes first.
    """
    together: dict[tuple[object, ...], list[str]] = {}
    for label, rows in data.groupby("label", sort=False):
        own = rows[["backbone", "start", "sparsity", "seed", "x", *values]].round(6)
        together.setdefault(tuple(own.itertuples(index=False)), []).append(str(label))
    groups = [sorted(labels, key=lambda name: name != "fggp") for labels in together.values()]
    return {labels[0]: labels[1:] for labels in groups}


def spotlight(
    data: DataFrame, x: str, y: str, looks: dict[str, Look]
) -> tuple[dict[str, Look], dict[str, Look]]:
    """Choose the labels that a panel of lines distinguishes.

    With more than `MOST` labels, these are the well-known ones, and those whose means over ``x``
    differ most from those of fggp. Returns the look of every label, the others faded, and the looks
    for the legend.
    """
    labels = [label for label in looks if label in set(data["label"])]
    if len(labels) <= MOST + 1:
        chosen = labels
    else:
        means = data.groupby(["backbone", "start", x, "label"])[y].mean().unstack("label")
        middle = means["fggp"] if "fggp" in means else means.mean(axis=1)
        far = means.sub(middle, axis=0).abs().mean().fillna(0)
        rest = sorted(set(labels) - set(FAMILIAR), key=lambda label: (-far.get(label, 0), label))
        first = [label for label in labels if label in FAMILIAR]
        chosen = [*first, *rest][:MOST]
    every = {label: looks[label] if label in chosen else FADED for label in labels}
    legend = {label: look for label, look in every.items() if label in chosen}
    if others := len(labels) - len(chosen):
        legend[f"{others} others"] = FADED
    return every, legend
