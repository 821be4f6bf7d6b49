"""Texts in figures: numbers of seeds, the meaning of bars and lines, names of groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from pandas import DataFrame

from fggp.analysis.collect.rows import KEYS
from fggp.analysis.study_tables import Material
from fggp.foundation.quantities import count, counts, percent

SD = "± sample standard deviation over seeds"
WINDOW = "shaded: the pruning window"
MOST_NAMED = 3
"""The most labels after the first that a legend names if several share a line."""


def number(found: Iterable[int]) -> str:
    """Return the number of seeds of each point, such as ``n = 2 to 3 seeds``."""
    return f"n = {counts(found, 'seed')}"


def meaning(data: DataFrame, *, reference: bool = True) -> str:
    """Return the meaning of means, dots, bars and (with a ``reference``) the band, in words.

    The column ``n`` of ``data`` is the number of seeds of each mean.
    """
    if data["n"].max() < 2:
        return "n = 1 seed"
    bars = "bars and band" if reference else "bars"
    return f"Mean over {number(data['n'])}; dots: single seeds; {bars}: {SD}"


def seen(data: DataFrame, point: Sequence[str]) -> str:
    """Return the meaning of the lines of `curves`, their sparsity and number of seeds, in words."""
    seeds = data.groupby(["backbone", "start", "label", "sparsity", *point])["seed"].nunique()
    sparsity, many = percent(data["sparsity"].max()), number(seeds)
    lines = many if seeds.max() < 2 else f"mean over {many}, thin lines: single seeds"
    return f"{sparsity} sparsity; {lines}"


def squeezed(material: Material, labels: Sequence[str]) -> str:
    """Return the labels that train for more epochs than the study, as in rounds, in words."""
    longest = material.compared.groupby("label")["epochs"].max()
    study = material.configuration.get("training", {}).get("epochs", longest.max())
    longer = [f"{label} ({longest[label]})" for label in dict.fromkeys(labels)
              if longest.get(label, 0) > study]  # fmt: skip
    return f"; epochs squeezed into {study}: {', '.join(longer)}" if longer else ""


def called(groups: dict[str, list[str]], names: Mapping[str, str]) -> dict[str, str]:
    """Return the names of the groups of `alike` in a legend, from the display names of labels."""
    return {
        first: f"{names[first]} and {len(others)} more" if len(others) > MOST_NAMED
        else ", ".join(names[label] for label in [first, *others])
        for first, others in groups.items()
    }  # fmt: skip


def everyone(groups: dict[str, list[str]], names: Mapping[str, str]) -> str:
    """Return all names of the groups that `called` abbreviates."""
    long = [[first, *others] for first, others in groups.items() if len(others) > MOST_NAMED]
    return clauses(*("One line: " + ", ".join(names[it] for it in labels) for labels in long))


def named(backbone: object, data: DataFrame) -> str:
    """Return a backbone with its width as a fraction, as on the pages, if that is not 1."""
    width = float(data["width"].iloc[0])
    short = Fraction(width).limit_denominator(1000)
    return str(backbone) if width == 1 else f"{backbone} at width {short}"


def clauses(*parts: str) -> str:
    """Join the parts that are not empty, each once."""
    return "; ".join(dict.fromkeys(part for part in parts if part))


def unrecorded(rows: DataFrame, what: str) -> str:
    """Return in words the number of trainings that are left out because they lack a record."""
    number = len(rows.drop_duplicates(list(KEYS)))
    return f"left out: {count(number, 'training')} recorded without {what}" if number else ""
