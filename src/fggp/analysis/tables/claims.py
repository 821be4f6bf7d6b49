"""The claims of the paper, each decided by declared rules on the cells of a table."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pandas import DataFrame
from pydantic import (
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from fggp.analysis.catalogue import table
from fggp.analysis.plan import Plan, built_in, plain
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.formats import Row, Table, missing, records, remarks, text
from fggp.analysis.tables.leave_out import leave_out
from fggp.analysis.tables.per_setting import per_setting
from fggp.analysis.tables.ranking import ranking, ranking_all
from fggp.analysis.tables.settings import settings
from fggp.foundation.errors import ResultError
from fggp.foundation.validation import explain, nearest
from fggp.study.cell import Name, Record

CLAIMS = Path("config/claims.yaml")
BUILT_IN = "those inside the package"

HOLDS, FAILS = "holds", "fails"
UNDECIDED, ABSENT = "not decidable with this n", "not in this study"

FRAMES: dict[str, Callable[[DataFrame, Plan], DataFrame]] = {
    "ranking": ranking,
    "ranking_all": ranking_all,
    "settings": settings,
    "comparisons": comparisons,
    "per_setting": per_setting,
    "leave_out": lambda runs, plan: leave_out(runs),
}
"""The tables that can decide, with their exact columns."""

RANKINGS = ("ranking", "ranking_all")
LABELS = ("label", "reference", "rival")
COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
SIGNS = {"<": "below", "<=": "at most", ">": "above", ">=": "at least"}
CONDITION = re.compile(r"(<=?|>=?) *(alpha|[-+]?\d+(?:\.\d+)?)")

Condition = Annotated[str, StringConstraints(pattern=rf"^{CONDITION.pattern}$")]
Conditions = Annotated[dict[str, Condition], Field(min_length=1)]


class Rule(Record):
    """Conditions by column that every row, or some row, has to fulfil together."""

    every: Conditions | None = None
    some: Conditions | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.every is None and self.some is None:
            raise ValueError("a rule holds conditions for `every` or for `some` row")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return [*(self.every or ()), *(self.some or ())]

    def met(self, rows: Sequence[Row], plan: Plan) -> bool:
        """Whether the rows fulfil this rule; a missing number fulfils nothing."""
        every = self.every is None or all(_fulfils(row, self.every, plan) for row in rows)
        some = self.some is None or any(_fulfils(row, self.some, plan) for row in rows)
        return bool(rows) and every and some


class Claim(Record):
    """A statement, the rows of a table that decide it, and the rules that they decide by.

    ``where`` names the rows: a value, or a list of which one has to match, by column. ``shows`` is
    the figure, with columns in braces, of the row with the largest ``by`` (smallest with a minus).
    """

    says: str
    table: Literal["ranking", "ranking_all", "settings", "comparisons", "per_setting", "leave_out"]
    where: dict[str, str | float | tuple[str | float, ...]]
    holds: tuple[Rule, ...] = Field(min_length=1)
    fails: tuple[Rule, ...] = Field(min_length=1)
    shows: str
    by: str | None = None

    @field_validator("shows")
    @classmethod
    def _can_be_filled(cls, shows: str) -> str:
        list(Formatter().parse(shows))
        return shows

    @property
    def columns(self) -> list[str]:
        """The columns that decide."""
        return [column for rule in (*self.holds, *self.fails) for column in rule.columns]


class Claims(Record):
    """The claims by name."""

    claims: dict[Name, Claim] = Field(min_length=1)


COLUMNS = {
    "claim": "str",
    "says": "str",
    "verdict": "str",
    "figure": "str",
    "rule": "str",
    "settings": "Int64",
    "seeds": "Int64",
    "note": "str",
}
"""Columns: the name of the claim, its words, the verdict (`HOLDS`, `FAILS`, `UNDECIDED`, `ABSENT`),
the figure behind it, the rules in words, and how many settings and seeds decided."""


def read_claims() -> tuple[Claims, str]:
    """Return the claims and where they stand: `CLAIMS`, or else those inside the package.

    Raises ResultError with one line where the file cannot be used.
    """
    if not CLAIMS.exists():
        return Claims(**plain(built_in(CLAIMS.name))), BUILT_IN
    raw = plain(CLAIMS)
    if not isinstance(raw, dict):
        raise ResultError(
            f"{CLAIMS}: holds a mapping `claims:` of names; see the one in the package"
        )
    try:
        return Claims(**raw), str(CLAIMS)
    except (ValidationError, TypeError) as error:
        reason = explain(error, Claims) if isinstance(error, ValidationError) else str(error)
        raise ResultError(f"{CLAIMS}: {reason}") from None


def claims(runs: DataFrame, plan: Plan, names: Container[str] | None = None) -> DataFrame:
    """Decide every claim, or those of some names; returns a row each with columns `COLUMNS`.

    Takes ``runs.csv`` as `fggp.analysis.collect.runs_csv.read_runs` returns it. In a ranking the
    label that a claim is about meets other methods, and no variant of its own.

    Raises:
        ResultError: where the claims cannot be read, name a column that their table does not have,
            or the table cannot be made.

    """
    declared, origin = read_claims()
    known = set(runs["label"])
    frames: dict[tuple[str, str], DataFrame] = {}
    rows = []
    for name, claim in declared.claims.items():
        if names is not None and name not in names:
            continue
        label = str(claim.where.get("label")) if claim.table in RANKINGS else ""
        if (claim.table, label) not in frames:
            met = _among_methods(runs, label)
            frames[claim.table, label] = FRAMES[claim.table](met, plan)
        where = f"{origin}: claims.{name}" if origin == str(CLAIMS) else f"claim {name}"
        decided = _decided(claim, frames[claim.table, label], known, plan, where)
        rows.append({"claim": name} | decided)
    return DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def status(verdicts: list[str]) -> int:
    """Return the exit status: 1 some claim fails, 2 none fails and some (or all) are open, else 0.

    Claims that are not in the study leave the others their say.
    """
    decided = set(verdicts) - {ABSENT}
    if FAILS in decided:
        return 1
    return 0 if decided == {HOLDS} else 2


@table("claims", "Results", place=9)
def claims_table(runs: DataFrame, plan: Plan) -> Table:
    """Each claim of the paper's abstract by the rules in ``config/claims.yaml``.

    Each is decided by declared rules on the cells of another table: holds, fails, not decidable
    with so many settings and seeds (n), or not in this study.
    """
    data = claims(runs, plan)
    columns = [
        text("claim", "says"),
        text("verdict", "verdict"),
        text("figure", "figure"),
        text("decided by", "rule"),
        *remarks(data),
    ]
    bold = {"verdict": [verdict in {HOLDS, FAILS} for verdict in data["verdict"]]}
    _, origin = read_claims()
    note = (
        "The claims of the paper's abstract, each decided on its own, by the rules behind it, in "
        f"this study and for this reading of the method; the claims are {origin}. Ranks are among "
        "the methods here, without variants of the one that the claim is about. Where neither rule "
        "is met, the study is too small or the difference too near to nothing to decide."
    )
    return Table(data, columns, note, bold)


def _among_methods(runs: DataFrame, label: str) -> DataFrame:
    """Return the runs without the variants of a label: others of the same method."""
    label = label.partition(", ")[0]
    own = runs["label"] == label
    return runs[own | ~runs["method"].isin(runs.loc[own, "method"])]


def _decided(
    claim: Claim, frame: DataFrame, known: set[str], plan: Plan, where: str
) -> dict[str, Any]:
    _check_columns(claim, frame, where)
    rows = [row for row in records(frame) if _chosen(row, claim.where)]
    said = {"says": claim.says, "rule": _words(claim, len(rows) > 1)}
    for column in (it for it in LABELS if it in claim.where):
        labels = [str(it).partition(", ")[0] for it in _values(claim.where[column])]
        if not known & set(labels):
            return said | {"verdict": ABSENT, "figure": "", "note": f"no {' or '.join(labels)}"}
    if not rows:
        return said | {"verdict": UNDECIDED, "figure": "", "note": f"no row in {claim.table}"}
    holds, fails = (
        any(rule.met(rows, plan) for rule in rules) for rules in (claim.holds, claim.fails)
    )
    verdict = UNDECIDED if holds == fails else HOLDS if holds else FAILS
    row = _telling(rows, claim.by)
    return said | {
        "verdict": verdict,
        "figure": _figure(claim.shows, row, where),
        "settings": len(rows) if claim.table == "settings" else row.get("settings"),
        "seeds": row.get("seeds", row.get("n")),
        "note": "rules of both sides are met" if holds and fails else _why(claim, row, verdict),
    }


def _check_columns(claim: Claim, frame: DataFrame, where: str) -> None:
    by = [claim.by.removeprefix("-")] if claim.by else []
    shown = [name for _, name, _, _ in Formatter().parse(claim.shows) if name is not None]
    columns = [str(column) for column in frame]
    for column in (*claim.where, *claim.columns, *by, *shown):
        if column not in columns:
            raise ResultError(
                f"{where}: the table {claim.table} has no column {column!r}"
                f"{nearest(column, columns)}"
            )


def _values(value: str | float | tuple[str | float, ...]) -> tuple[str | float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _chosen(row: Row, where: Mapping[str, str | float | tuple[str | float, ...]]) -> bool:
    return all(row[column] in _values(value) for column, value in where.items())


def _fulfils(row: Row, conditions: Conditions, plan: Plan) -> bool:
    for column, condition in conditions.items():
        sign, number = CONDITION.fullmatch(condition).groups()  # type: ignore[union-attr]
        limit = plan.alpha if number == "alpha" else float(number)
        if missing(row[column]) or not COMPARE[sign](row[column], limit):
            return False
    return True


def _telling(rows: Sequence[Row], by: str | None) -> Row:
    """Return the row whose figure is shown."""
    if by is None:
        return rows[0]
    sign, column = (-1, by[1:]) if by.startswith("-") else (1, by)
    there = [row for row in rows if not missing(row[column])]
    return max(there or rows, key=lambda row: sign * row[column] if there else 0)


def _why(claim: Claim, row: Row, verdict: str) -> str:
    """Say what is missing where a deciding number is, else nothing: it is too near."""
    gone = [column for column in dict.fromkeys(claim.columns) if missing(row[column])]
    if not gone or verdict != UNDECIDED:
        return ""
    seeds = row.get("seeds", row.get("n"))
    return str(row.get("note") or f"{', '.join(gone)} not computable with n = {seeds}")


class _Dashes(Formatter):
    """Writes a missing number as "-", in whatever format it was to be."""

    def format_field(self, value: Any, format_spec: str) -> str:
        """Format one field."""
        return "-" if missing(value) else format(value, format_spec)


def _figure(shows: str, row: Row, where: str) -> str:
    try:
        return _Dashes().vformat(shows, (), row)
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise ResultError(f"{where}.shows: {shows!r} cannot be filled ({error})") from None


def _words(claim: Claim, many: bool) -> str:
    """Return the rules in words; with many rows, whether every row or some has to fulfil them."""
    parts = []
    for name, rules in ((HOLDS, claim.holds), (FAILS, claim.fails)):
        options = [
            ("" if not many else f"{how} ")
            + " and ".join(f"{key} {_spelt(value)}" for key, value in conditions.items())
            for rule in rules
            for how, conditions in (("every", rule.every), ("some", rule.some))
            if conditions
        ]
        parts.append(f"{name} if {' or '.join(options)}")
    return f"{claim.table}: {'; '.join(parts)}"


def _spelt(condition: str) -> str:
    sign, number = CONDITION.fullmatch(condition).groups()  # type: ignore[union-attr]
    return f"{SIGNS[sign]} {number}"
