"""The head of a page: size, data and plan of a study, and the differences it can detect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from pandas import DataFrame

from fggp.analysis.complete_grids import both_starts
from fggp.analysis.pairs import STARTS, nothing
from fggp.analysis.plan import Plan
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.formats import missing
from fggp.analysis.tables.power import study_power
from fggp.analysis.tables.provenance import SHORT
from fggp.foundation.quantities import count, counts
from fggp.study.verdict import ENDINGS


class Fact(NamedTuple):
    """A line of the head."""

    name: str
    text: str


def facts(material: Material, plan: Plan, origin: str) -> list[Fact]:
    """Return the head of a page; ``origin`` is the file of the plan."""
    return [
        Fact("Trainings", _size(material)),
        Fact("Data", _data(material)),
        Fact("Plan", _plan(plan, origin)),
    ]


def finding(runs: DataFrame, plan: Plan) -> str:
    """Return in one sentence how the reference method compares with its rivals, with n.

    A difference is decided if the p of Wilcoxon's test over settings, by Holm, is below alpha and
    there are as many seeds as the plan requires. If no p of that test can be so small, the paired t
    tests on this grid are named instead.
    """
    data = comparisons(runs, plan)
    if data.empty:
        return f"Nothing is decided. {nothing(plan)}"
    if (data["blocks"] == STARTS).any():
        data = data[data["blocks"] == STARTS]
    sizes = f"{counts(data['settings'], 'setting')}, n = {counts(data['seeds'], 'seed')}"
    head = f"{plan.reference}{_rank(runs, plan.reference)} over {sizes}"
    if data["seeds"].min() < plan.interval_seeds:
        few = f"fewer than {count(plan.interval_seeds, 'seed')} decide nothing"
        return f"{head}; {few}, so this is a demonstration."
    able = bool((data["smallest_p_holm"] < plan.alpha).any())
    decided = data[data["wilcoxon_p_holm" if able else "grid_p"] < plan.alpha]
    above = decided["difference_points"] > 0
    rivals = {"better than": decided[above]["rival"], "worse than": decided[~above]["rival"]}
    parts = [f"{word} {', '.join(names)}" for word, names in rivals.items() if len(names)]
    if open_ := len(data) - len(decided):
        parts.append(f"not separated from {open_} of {count(len(data), 'rival')}")
    test = f"Wilcoxon's test over settings, Holm, alpha {plan.alpha:g}"
    if not able:
        test = (
            f"paired t on this grid, alpha {plan.alpha:g}, not adjusted; Wilcoxon's test over so "
            "few settings cannot decide"
        )
    return f"{head}, is {', '.join(parts)} ({test})."


def _rank(runs: DataFrame, reference: str) -> str:
    """Return the average rank of the reference in words, if it has one."""
    grid = both_starts(runs)
    if grid is None or reference not in grid.entries:
        return ""
    average = grid.ranks.mean(axis=0)
    own = average[list(grid.entries).index(reference)]
    place, shared = 1 + (average < own).sum(), (average == own).sum() > 1
    words = f"{'shared ' * bool(shared)}place {place} of {count(len(average), 'method')}"
    return f", with average rank {own:.2f} ({words})"


def power_line(runs: DataFrame, plan: Plan) -> str:
    """Return in words the smallest differences from the rivals that a study could detect."""
    data = study_power(runs, plan)
    if data.empty:
        return nothing(plan)
    if (data["blocks"] == STARTS).any():
        data = data[data["blocks"] == STARTS]
    sizes = f"n = {_span(data['seeds'], 'd')} seeds in {_span(data['settings'], 'd')} settings"
    if data["grid"].isna().all():
        return f"Smallest detectable differences: {data['note'].iloc[0]} ({sizes})."
    return (
        f"With {sizes}, a two-sided test at level {plan.alpha:g} detects with {plan.power:.0%} "
        f"power a mean difference over this grid of at least {_span(data['grid'])} points (Holm, "
        f"worst case: {_span(data['grid_holm'])}), and in one setting {_span(data['pooled'])} "
        f"points ({_span(data['pooled_holm'])}), depending on the rival."
    )


def _size(material: Material) -> str:
    runs, expected = material.runs, material.expected
    text = f"{len(runs)} of {len(expected)}, {count(expected['seed'].nunique(), 'seed')}"
    ends = runs["verdict"].value_counts()
    failed = [f"{ends[it]} {told}" for it, told in ENDINGS.items() if it in ends]
    return ", ".join([text, *failed])


def _data(material: Material) -> str:
    data: dict[str, Any] = material.configuration.get("data", {})
    named = [f"{data['name']} ({data['kind']})"] if data else []
    taken = [f"{data['train']} training images"] if data.get("train") else []
    images = [f"{count(int(it), 'test image')}" for it in material.runs["test_images"].unique()]
    sums = [str(it)[:SHORT] for it in material.runs["data_sha256"].unique() if not missing(it)]
    return ", ".join([*named, *taken, *images, *(f"SHA-256 {it}…" for it in sums if it)])


def _plan(plan: Plan, origin: str) -> str:
    return (
        f"reference {plan.reference}; primary metric: test accuracy at the last epoch; alpha "
        f"{plan.alpha:g}; differences up to {plan.rope:g} points are practically equal (ROPE); "
        f"Holm over {plan.family}; declared: {origin}"
    )


def _span(values: Iterable[Any], form: str = ".2f") -> str:
    """Return the least and the greatest of numbers, once if they read the same."""
    known = [value for value in values if not missing(value)]
    ends = dict.fromkeys(format(it, form) for it in (min(known), max(known))) if known else {"-": 1}
    return " to ".join(ends)
