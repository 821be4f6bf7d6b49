"""The finding about the default reading, and about the claims: sentences chosen by the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from pandas import DataFrame

from fggp.analysis.collect.runs_csv import is_partial
from fggp.analysis.default_reading.comparison import METHOD, READING
from fggp.analysis.plan import Plan
from fggp.analysis.stats.power import power_of, smallest_difference
from fggp.analysis.tables.claims import ABSENT, FAILS, HOLDS, UNDECIDED
from fggp.analysis.tables.formats import Row, missing, records
from fggp.foundation.quantities import count, percent


class Finding(NamedTuple):
    """What the declared rule makes of the numbers, and the sentence that says so.

    ``kind``: "none" without results, "open" where they do not decide, "keep" or "change".
    ``best``: the label that the default should be, None where that is open.
    """

    kind: Literal["none", "open", "keep", "change"]
    sentence: str
    best: str | None


def finding(
    runs: DataFrame, table: DataFrame, expected: int, plan: Plan, default: str | None
) -> Finding:
    """Apply the declared rule to what `against_default` returned.

    ``expected`` is how many results the complete study has: a part of them decides nothing.
    ``default`` is the label that is the default today, None where the study does not have it.
    """
    if runs.empty:
        return Finding("none", "There are no results yet, so the default stays as it is.", None)
    rows = [row for row in records(table) if row["kind"] != METHOD]
    found = _weighed(rows, plan)
    if not is_partial(runs):
        return found._replace(
            sentence=" ".join(filter(None, [found.sentence, _act(found, default)]))
        )
    there = f"{len(runs)} of {expected} results are there, and only the complete study decides"
    so_far = f" So far: {found.sentence}" if found.kind != "open" else ""
    return Finding("open", f"Not decided: {there}.{so_far}", None)


def _weighed(rows: Sequence[Row], plan: Plan) -> Finding:
    """Return the finding of a complete study, without what follows from it."""
    tested = [row for row in rows if not missing(row["p_holm"])]
    if not tested:
        return Finding(
            "open",
            "Not decidable: no variant has a test against the reference, which takes both of them "
            "in the same settings with at least two seeds that differ.",
            None,
        )
    sure = [row for row in tested if row["p_holm"] < plan.alpha]
    better = [row for row in sure if row["points"] > 0]
    readings = [row for row in better if row["kind"] == READING]
    if readings:
        best, *more = sorted(readings, key=lambda row: -row["points"])
        also = f"Better by less: {_listed(more)}. " if more else ""
        text = f"{also}`{best['label']}` was better than `{plan.reference}` {_how_far(best)}."
        if not missing(best["seeds_p"]):
            text += (
                f" By the means of the {count(best['seeds'], 'seed')} alone it is "
                f"{best['seeds_low']:+.2f} to {best['seeds_high']:+.2f}, p {best['seeds_p']:.2g} "
                "before any adjustment."
            )
        return Finding("change", text, best["label"])
    parts = []
    if not sure:
        parts.append(
            f"No variant of {len(tested)} differs from `{plan.reference}` by more than can be "
            f"separated ({_separable(tested, plan)})."
        )
    else:
        parts.append(
            f"No reading is better than `{plan.reference}` by more than can be separated "
            f"({_separable(tested, plan)})."
        )
    parts += [
        f"`{row['label']}` was better {_how_far(row)}, but is not what the abstract describes."
        for row in better
    ]
    worse = [row for row in sure if row["points"] < 0]
    if worse:
        parts.append(f"Worse than `{plan.reference}`: {_listed(worse)}.")
    if untested := [row for row in rows if missing(row["p_holm"])]:
        parts.append(f"Without a test, as no seed differs from another: {_listed(untested)}.")
    return Finding("keep", " ".join(parts), plan.reference)


def _act(found: Finding, default: str | None) -> str | None:
    """Return what follows from a finding, or has followed."""
    if found.best is None:
        return None
    if found.best == default:
        return "It is the default since." if found.kind == "change" else "The default stays."
    return f"The default should be changed to `{found.best}`."


def confirmed(row: Row, before: Row | None, plan: Plan) -> str:
    """Return what new seeds say: ``row`` is the former default minus the present one.

    ``before`` is the present default minus the former one in the study that chose it.
    """
    points, low, high = -row["points"], -row["high"], -row["low"]
    figures = f"({low:+.2f} to {high:+.2f}, p {row['p']:.2g})"
    other = f"`{row['label']}`, the one before"
    if missing(row["p"]) or row["p"] >= plan.alpha:
        told = f"The default and {other}, cannot be told apart: {points:+.2f} points {figures}."
        return f"{told} {_could_find(row, before, plan)}".strip()
    word = "better" if points > 0 else "worse"
    return f"The default was {word} than {other}, by {abs(points):.2f} points {figures}."


def _could_find(row: Row, before: Row | None, plan: Plan) -> str:
    """Say what differences the one test on new seeds finds, and how often that of ``before``."""
    if missing(row["se"]) or not row["se"] > 0:
        return ""
    smallest = smallest_difference(row["se"], row["df"], plan.alpha, plan.power)
    told = f"This test finds one of {smallest:.2f} points with {percent(plan.power)} power"
    if before is None:
        return f"{told}."
    power = power_of(before["points"], row["se"], row["df"], plan.alpha)
    return f"{told}, and the {abs(before['points']):.2f} of the choice with {100 * power:.0f} %."


def _how_far(row: Row) -> str:
    return (
        f"by {abs(row['points']):.2f} points ({row['low']:+.2f} to "
        f"{row['high']:+.2f}, adjusted p {row['p_holm']:.2g})"
    )


def _listed(rows: Sequence[Row]) -> str:
    return _joined([row["label"] for row in rows])


def _separable(rows: Sequence[Row], plan: Plan) -> str:
    """Say which differences the study could have shown; they depend on the spread of the pair."""
    low, high = (f"{pick(row['smallest'] for row in rows):.2f}" for pick in (min, max))
    span = f"{low} points" if low == high else f"{low} to {high} points, by variant"
    return f"the smallest that the study shows with {percent(plan.power)} power: {span}"


def about_claim(verdicts: Mapping[str, str]) -> str:
    """Return under which readings a claim holds, fails or is open; ``verdicts`` are by label."""
    by = {
        verdict: [label for label, found in verdicts.items() if found == verdict]
        for verdict in (HOLDS, FAILS, UNDECIDED, ABSENT)
    }
    asked = len(verdicts) - len(by[ABSENT])
    if not asked:
        return "The study has nothing that decides it, under no reading."
    if len(by[HOLDS]) == asked:
        text = f"It holds under {_all(asked)} that it was asked of."
    else:
        under = (
            f"It holds under {_joined(by[HOLDS])}"
            if by[HOLDS]
            else (f"It holds under none of the {count(asked, 'reading')} that it was asked of")
        )
        rest = [
            f"{word} under {_all(asked) if len(by[verdict]) == asked else _joined(by[verdict])}"
            for verdict, word in ((FAILS, "fails"), (UNDECIDED, "is undecidable"))
            if by[verdict]
        ]
        text = f"{under}; it {' and '.join(rest)}."
    return text + (f" Not asked under {_joined(by[ABSENT])}." if by[ABSENT] else "")


def _all(asked: int) -> str:
    return f"all {asked} readings" if asked > 1 else "the 1 reading"


def _joined(labels: Sequence[str]) -> str:
    """Return labels as a list in a sentence."""
    quoted = [f"`{label}`" for label in labels]
    return " and ".join(filter(None, [", ".join(quoted[:-1]), *quoted[-1:]]))
