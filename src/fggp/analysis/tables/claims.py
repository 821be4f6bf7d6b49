"""The claims of the paper, each decided by a declared rule on the cells of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from pandas import DataFrame
from pydantic import Field, ValidationError, model_validator

from fggp.analysis.catalogue import table
from fggp.analysis.collect.runs_csv import DENSE, is_partial
from fggp.analysis.complete_grids import label_and_start
from fggp.analysis.pairs import STARTS
from fggp.analysis.plan import Plan, built_in, plain
from fggp.analysis.tables.claim_rules import RULES, Rule, RuleName
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.formats import Column, Row, Table, missing, records, remarks, text
from fggp.analysis.tables.ranking import ranking
from fggp.analysis.tables.settings import settings
from fggp.foundation.errors import ResultError
from fggp.foundation.quantities import count
from fggp.foundation.validation import explain
from fggp.study.cell import Cell, Name, Record
from fggp.study.study_folder import read_expected

CLAIMS = Path("config/claims.yaml")
BUILT_IN = "those inside the package"

HOLDS, FAILS = "holds", "fails"
DECIDED = (HOLDS, FAILS)
UNDECIDED, ABSENT = "undecided", "not in this study"

FRAMES: dict[str, Callable[[DataFrame, Plan], DataFrame]] = {
    "ranking": ranking,
    "settings": settings,
    "comparisons": comparisons,
}
"""The tables that rules read, with their exact columns."""


class Claim(Record):
    """A statement about a label, and the rule that decides it.

    ``rivals`` are the labels that the rule "better" compares with; those that the study has count,
    one with a single start once for each start of ``label``.
    ``study`` is the study that decides the claim; without one, each study decides for itself.
    """

    says: str
    rule: RuleName
    label: Name
    rivals: tuple[Name, ...] = ()
    study: Name | None = None

    @model_validator(mode="after")
    def _rivals_where_it_compares(self) -> Self:
        if bool(self.rivals) != (self.decided_by.table == "comparisons"):
            need = "needs `rivals`" if not self.rivals else "takes no `rivals`"
            raise ValueError(f"the rule {self.rule!r} {need}")
        return self

    @property
    def decided_by(self) -> Rule:
        """The rule itself."""
        return RULES[self.rule]

    def chooses(self, row: Row) -> bool:
        """Whether a row of the rule's table is about this claim."""
        if self.rivals:
            reference, rival = (label_and_start(row[it])[0] for it in ("reference", "rival"))
            return reference == self.label and rival in self.rivals
        return bool(row["label"] == self.label)


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
    "planned_settings": "Int64",
    "planned_seeds": "Int64",
    "study": "str",
    "note": "str",
}
"""Columns: the name of the claim, its words, the verdict (`HOLDS`, `FAILS`, `UNDECIDED`, `ABSENT`),
the figure behind it, the rule in words, the numbers of settings and seeds here and in the whole
study (empty if not known), and the study that decides the claim (empty: each for itself)."""


def read_claims() -> tuple[Claims, str]:
    """Return the claims and their origin: `CLAIMS`, or else those inside the package.

    Raises ResultError with one line if the file cannot be used.
    """
    if not CLAIMS.exists():
        return Claims(**plain(built_in(CLAIMS.name))), BUILT_IN
    raw = plain(CLAIMS)
    if not isinstance(raw, dict):
        raise ResultError(
            f"{CLAIMS}: must contain a mapping `claims:` of names; see the one in the package"
        )
    try:
        return Claims(**raw), str(CLAIMS)
    except (ValidationError, TypeError) as error:
        reason = explain(error, Claims) if isinstance(error, ValidationError) else str(error)
        raise ResultError(f"{CLAIMS}: {reason}") from None


def claims(runs: DataFrame, plan: Plan, expected: Sequence[Cell] = ()) -> DataFrame:
    """Decide every claim; return a row for each with columns `COLUMNS`.

    Takes the trainings that `fggp.analysis.compared_runs.compared` returns, and the cells that
    the study should have, if these are known. Without results of one of their labels, no claim
    about ranks is decided, and no claim holds without a comparison with each of its rivals in the
    study. In a ranking, the label of a claim is compared with other methods, not with its own
    variants.

    Raises:
        ResultError: if the claims cannot be read or a table cannot be made.

    """
    known = set(runs["label"])
    frames: dict[tuple[str, str], DataFrame] = {}
    there = known | {cell.label for cell in expected}
    lacking = sorted(there - known - {DENSE})
    rows = []
    for name, claim in read_claims()[0].claims.items():
        source = claim.decided_by.table
        if (source, claim.label) not in frames:
            among = _among_methods(runs, claim.label) if source == "ranking" else runs
            about = plan.model_copy(update={"reference": claim.label})
            frames[source, claim.label] = FRAMES[source](among, about)
        frame = frames[source, claim.label]
        row = _decided(claim, frame, known, plan)
        if source == "ranking" and row["verdict"] in DECIDED and lacking:
            row |= {"verdict": UNDECIDED, "note": f"no results of {', '.join(lacking)}"}
        compared = {label_and_start(it["rival"])[0] for it in records(frame) if claim.rivals}
        alone = [it for it in claim.rivals if it in there - compared]
        if row["verdict"] == HOLDS and alone:
            row |= {"verdict": UNDECIDED, "note": f"no comparison with {', '.join(alone)}"}
        own = [cell for cell in expected if cell.label == claim.label]
        rows.append({"claim": name, **row, **_planned(own, row)})
    return DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def status(verdicts: list[str]) -> int:
    """Return the exit status: 1 if a claim fails, 2 if none fails but some or all are open, else 0.

    Claims that the study does not cover do not count.
    """
    decided = set(verdicts) - {ABSENT}
    if FAILS in decided:
        return 1
    return 0 if decided == {HOLDS} else 2


@table("claims", "Results", place=9)
def claims_table(runs: DataFrame, plan: Plan, study_folder: Path | None = None) -> Table:
    """Each claim of the paper's abstract by the rules in ``config/claims.yaml``.

    Each is decided by declared rules on the cells of another table: holds, fails, undecided (the
    study is too small or the difference too close to zero), or not in this study. The columns
    ``settings`` and ``seeds`` (n) are the numbers behind a verdict. Of a partial study, a claim
    holds or fails "so far".
    """
    data = claims(runs, plan, _expected(study_folder))
    partial = is_partial(runs)
    columns = [
        text("claim", "says"),
        Column("verdict", lambda row: verdict_in_words(row["verdict"], partial=partial), left=True),
        text("figure", "figure"),
        Column("settings", lambda row: of_planned(row["settings"], row["planned_settings"])),
        Column("seeds", lambda row: of_planned(row["seeds"], row["planned_seeds"])),
        text("decided by", "rule"),
        text("decisive study", "study"),
        *remarks(data),
    ]
    bold = {"verdict": [verdict in DECIDED for verdict in data["verdict"]]}
    _, origin = read_claims()
    note = f"{_primary_test(runs, plan)} " + (
        "The claims of the paper's abstract, each decided separately by its rule in "
        f"this study; declared in {origin}. A claim that names another study is decided "
        "there; its row shows the result in this study. Ranks are among "
        "the methods here, without variants of the one that the claim is about. If neither rule "
        "is met, the study is too small, or the difference too close to zero, to decide."
    )
    return Table(data, columns, note, bold)


def _expected(study_folder: Path | None) -> list[Cell]:
    """Return the cells that a study should have; none if that is not known."""
    try:
        return [] if study_folder is None else read_expected(study_folder)[1]
    except ResultError:
        return []


def _planned(cells: Sequence[Cell], row: Row) -> Row:
    """Return the numbers of settings and seeds of a row's comparison in the whole study.

    Empty without cells.
    """
    if not cells:
        return {}
    start = row.get("blocks", STARTS) == STARTS
    settings = {
        (cell.backbone.name, cell.sparsity, cell.initial_sparsity if start else None)
        for cell in cells
    }
    seeds = len({cell.seed for cell in cells})
    return {"planned_settings": len(settings), "planned_seeds": seeds}


def verdict_in_words(verdict: str, *, partial: bool) -> str:
    """Write a verdict; that of a partial study holds or fails only "so far"."""
    return f"{verdict} so far" if partial and verdict in DECIDED else verdict


def of_planned(number: Any, planned: Any) -> str:
    """Write a number of settings or seeds, with the planned one if that is another: "6 of 12"."""
    if missing(number):
        return "-"
    return f"{number}" if missing(planned) or planned == number else f"{number} of {planned}"


def _primary_test(runs: DataFrame, plan: Plan) -> str:
    """Return the smallest p that the primary test of the plan can reach in this study."""
    known = [row for row in records(comparisons(runs, plan)) if not missing(row["smallest_p_holm"])]
    if not known:
        return "The primary test, Wilcoxon over settings, has no p here."
    best = min(known, key=lambda row: float(row["smallest_p_holm"]))
    p = float(best["smallest_p_holm"])
    reach = "can" if p < plan.alpha else "cannot"
    return (
        f"The primary test, Wilcoxon over {count(best['settings'], 'setting')}, {reach} reach a p "
        f"below {plan.alpha:g}: its smallest is {best['smallest_p']:.2g}, and {p:.2g} after Holm."
    )


def _among_methods(runs: DataFrame, label: str) -> DataFrame:
    """Return the runs without the variants of a label, which are other labels of its method."""
    own = runs["label"] == label
    return runs[own | ~runs["method"].isin(runs.loc[own, "method"])]


def _decided(claim: Claim, frame: DataFrame, known: set[str], plan: Plan) -> dict[str, Any]:
    rule = claim.decided_by
    rows = [row for row in records(frame) if claim.chooses(row)]
    said = {
        "says": claim.says,
        "rule": rule.words(len(rows) > 1),
        "figure": "",
        "study": claim.study or "",
    }
    for labels in ([claim.label], claim.rivals):
        if labels and not known & set(labels):
            return said | {"verdict": ABSENT, "note": f"no {' or '.join(labels)}"}
    if not rows:
        return said | {"verdict": UNDECIDED, "note": f"no row in {rule.table}"}
    holds, fails = (
        any(case.met(rows, plan) for case in cases) for cases in (rule.holds, rule.fails)
    )
    verdict = UNDECIDED if holds == fails else HOLDS if holds else FAILS
    row = _telling(rows, rule)
    return said | {
        "verdict": verdict,
        "figure": rule.figure(row),
        "settings": len(rows) if rule.table == "settings" else row["settings"],
        "seeds": _seeds(row),
        "blocks": row.get("blocks", STARTS),
        "note": "both conditions are met" if holds and fails else _why(rule, row, verdict, plan),
    }


def _telling(rows: Sequence[Row], rule: Rule) -> Row:
    """Return the row whose figure is shown."""
    there = [row for row in rows if not missing(rule.by(row))]
    return max(there, key=rule.by) if there else rows[0]


def _seeds(row: Row) -> Any:
    return row["seeds"] if "seeds" in row else row["n"]


def _why(rule: Rule, row: Row, verdict: str, plan: Plan) -> str:
    """Return why deciding numbers are missing; empty if the result is too close to call."""
    gone = [column for column in rule.columns if missing(row[column])]
    if not gone or verdict != UNDECIDED:
        return ""
    if rule.table == "ranking" and _seeds(row) < plan.fewest_seeds:
        return f"no resamples: {count(_seeds(row), 'seed')}, needs {plan.fewest_seeds}"
    return str(row.get("note") or f"{', '.join(gone)} not computable with n = {_seeds(row)}")
