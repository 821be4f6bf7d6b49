"""The rules that decide claims: the table that they read, their conditions, and their figure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from fggp.analysis.plan import Plan
from fggp.analysis.tables.formats import Row, missing, shown
from fggp.foundation.quantities import count

COMPARE = {
    "at least": operator.ge, "at most": operator.le, "above": operator.gt, "below": operator.lt,
}  # fmt: skip
SURE, UNLIKELY = 0.95, 0.05
"""Shares of resamples, or chances, at which a claim is decided."""

RuleName = Literal["most-settings", "first-rank", "above-dense", "better"]


class Condition(NamedTuple):
    """A condition on a column of a row; the limit "alpha" is that of the plan."""

    column: str
    sign: Literal["at least", "at most", "above", "below"]
    limit: float | Literal["alpha"]

    def met(self, row: Row, plan: Plan) -> bool:
        """Whether a row fulfils it; a missing number fulfils nothing."""
        limit = plan.alpha if self.limit == "alpha" else self.limit
        value = row[self.column]
        return not missing(value) and bool(COMPARE[self.sign](value, limit))

    @property
    def words(self) -> str:
        """The condition as the table of claims shows it."""
        return f"{self.column} {self.sign} {self.limit}"


class Case(NamedTuple):
    """Conditions that every row, or some row, fulfils together."""

    rows: Literal["every", "some"]
    conditions: tuple[Condition, ...]

    def met(self, rows: Sequence[Row], plan: Plan) -> bool:
        """Whether the rows, of which there is at least one, fulfil it."""
        found = (all(it.met(row, plan) for it in self.conditions) for row in rows)
        return all(found) if self.rows == "every" else any(found)

    def words(self, many: bool) -> str:
        """Return the case in words; for many rows, also whether every or some row must meet it."""
        conditions = " and ".join(it.words for it in self.conditions)
        return f"{self.rows} {conditions}" if many else conditions


class Rule(NamedTuple):
    """A rule: a claim holds if a case of ``holds`` is met, and fails if a case of ``fails`` is met.

    Attributes:
        table: the table whose rows decide.
        holds: the cases in which the claim holds.
        fails: the cases in which it fails.
        figure: writes the figure behind a verdict from one row.
        by: computes how decisive a row is; the figure is that of the most decisive row.

    """

    table: Literal["ranking", "settings", "comparisons"]
    holds: tuple[Case, ...]
    fails: tuple[Case, ...]
    figure: Callable[[Row], str]
    by: Callable[[Row], float] = lambda row: 0.0

    @property
    def columns(self) -> list[str]:
        """The columns that decide."""
        cases = (*self.holds, *self.fails)
        return list(dict.fromkeys(it.column for case in cases for it in case.conditions))

    def words(self, many: bool) -> str:
        """Return the rule in words, see `Case.words`."""
        holds, fails = (
            " or ".join(case.words(many) for case in cases) for cases in (self.holds, self.fails)
        )
        return f"{self.table}: holds if {holds}; fails if {fails}"


def _of_ranks(share: str, figure: Callable[[Row], str]) -> Rule:
    """Return the rule of a share of resamples; a rival that is surely better makes it fail."""
    rarely = (Condition(share, "at most", UNLIKELY), Condition("rival_p", "below", "alpha"))
    return Rule(
        "ranking",
        holds=(Case("every", (Condition(share, "at least", SURE),)),),
        fails=(Case("every", rarely),),
        figure=figure,
    )


def _points(row: Row, middle: str, low: str, high: str) -> str:
    mean, *ends = (shown(row[column], "+.2f") for column in (middle, low, high))
    return f"{mean} points" + ("" if missing(row[low]) else f", {' to '.join(ends)}")


def _wins(row: Row) -> str:
    found = f"best in {row['wins']} of {count(row['settings'], 'setting')}"
    if missing(row["p_most"]):
        return found
    return f"{found}; best in most settings in {row['p_most']:.1%} of resamples"


def _rank(row: Row) -> str:
    mean, low, high = (
        shown(row[name], ".2f") for name in ("average_rank", "rank_low", "rank_high")
    )
    if missing(row["p_first"]):
        return f"average rank {mean}"
    return f"average rank {mean}, {low} to {high}; first in {row['p_first']:.1%} of resamples"


def _gap(row: Row) -> str:
    gap = _points(row, "gap_points", "gap_low", "gap_high")
    holm = "" if missing(row["gap_p_holm"]) else f", Holm p {row['gap_p_holm']:.2g}"
    return f"largest gap {gap}{holm}"


def _difference(row: Row) -> str:
    return f"{_points(row, 'difference_points', 'grid_low', 'grid_high')} on this grid"


RULES: dict[RuleName, Rule] = {
    "most-settings": _of_ranks("p_most", _wins),
    "first-rank": _of_ranks("p_first", _rank),
    # One setting is enough, so its p is adjusted for all of them.
    "above-dense": Rule(
        "settings",
        holds=(
            Case(
                "some",
                (Condition("gap_points", "above", 0), Condition("gap_p_holm", "below", "alpha")),
            ),
        ),
        fails=(Case("every", (Condition("gap_high", "below", 0),)),),
        figure=_gap,
        by=lambda row: float(row["gap_points"]),
    ),
    # Better than every rival that is named; one that is surely better, or equal, is enough to fail.
    "better": Rule(
        "comparisons",
        holds=(Case("every", (Condition("grid_low", "above", 0),)),),
        fails=(
            Case("some", (Condition("grid_high", "below", 0),)),
            Case("some", (Condition("p_equivalent", "at least", SURE),)),
        ),
        figure=_difference,
        by=lambda row: -float(row["difference_points"]),
    ),
}
