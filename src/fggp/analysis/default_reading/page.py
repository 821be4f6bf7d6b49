"""What the page about the default reading says, from the tables of the study that decides it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pandas import DataFrame

from fggp.analysis.collect.runs_csv import RUNS, marks
from fggp.analysis.default_reading.claims import claims_under
from fggp.analysis.default_reading.comparison import METHOD, READING, VARIANT, against_default
from fggp.analysis.default_reading.finding import about_claim, confirmed, finding
from fggp.analysis.fggp_variants import METHOD as FGGP
from fggp.analysis.fggp_variants import Arm, apart, arms, means
from fggp.analysis.plan import Plan, read_plan
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.formats import (
    Column,
    Row,
    Table,
    interval,
    markdown,
    number,
    p_value,
    records,
    text,
)
from fggp.foundation.quantities import count, percent
from fggp.methods import METHODS

NOTHING = "No results yet."
KINDS = {READING: "yes", VARIANT: "no", METHOD: "another method"}


def reading_page(figures: Path) -> dict[str, Any]:
    """Return what the page is filled with; ``figures`` holds the tables of each study.

    A study that is not there counts as one without results.

    Raises:
        ResultError: where the plan, or a table of the study, cannot be used.

    """
    plan, _ = read_plan()
    it = _Tables.of(figures / plan.default_reading.study, plan)
    known = {arm.label: arm for arm in arms(it.configuration)}
    asked = [
        arm
        for arm in known.values()
        if arm.is_reading and arm.label in {plan.reference, *it.rows["label"]}
    ]
    decided = {arm.label: it.claims_under(arm, plan) for arm in asked}
    today = METHODS[FGGP].defaults
    default = next((name for name, arm in known.items() if arm.settings == today), None)
    found = finding(it.runs, it.rows, it.expected, plan, default)
    former = known[plan.reference].settings if plan.reference in known else today
    chosen = next((row for row in records(it.rows) if row["label"] == default), None)
    return {
        "was": apart(former, today),
        "study": it.name,
        "ran": it.ran,
        "alpha": plan.alpha,
        "finding": found.sentence,
        "kind": found.kind,
        "comparison": it.comparison(plan),
        "confirm": _confirmed(
            _Tables.of(figures / plan.default_reading.confirm, plan), former, chosen, plan
        ),
        **_claims(decided, default if default in decided else plan.reference, marks(it.runs)),
    }


class _Tables(NamedTuple):
    """A study of readings: its trainings, and each label against ``fggp``."""

    name: str
    title: str
    runs: DataFrame
    configuration: dict[str, Any]
    expected: int
    rows: DataFrame
    means: dict[str, float]

    @classmethod
    def of(cls, folder: Path, plan: Plan) -> _Tables:
        """Read the tables of a study; one that is not there has no results."""
        if not (folder / "cells.json").exists():
            runs = DataFrame(columns=list(RUNS)).astype(RUNS)
            return cls(folder.name, "", runs, {}, 0, against_default(runs, {}, plan), {})
        material = Material(folder)
        rows = against_default(material.runs, material.configuration, plan)
        return cls(
            folder.name, material.title, material.runs, material.configuration,
            len(material.expected), rows, means(material),
        )  # fmt: skip

    @property
    def ran(self) -> str:
        """What has been trained, in words."""
        if not len(self.runs):
            return NOTHING
        partial = "" if len(self.runs) == self.expected else ", **partial**"
        hours = float(self.runs["seconds"].sum()) / 3600
        done = f"{len(self.runs)} of {self.expected} trainings{partial}"
        return f"{self.title}: {done}, {hours:.1f} hours."

    def claims_under(self, arm: Arm, plan: Plan) -> DataFrame:
        """Return every claim, decided as if a reading were the method."""
        return claims_under(self.runs, arm, self.configuration, self.means, plan)

    def comparison(self, plan: Plan) -> str:
        """Return the table of all labels."""
        return NOTHING if self.rows.empty else _comparison(self.rows, plan, marks(self.runs))


def _confirmed(
    it: _Tables, former: dict[str, Any], chosen: Row | None, plan: Plan
) -> dict[str, Any]:
    """Return what the study on new seeds says of the default beside the ``former`` one.

    ``chosen`` is the row of the default in the study that decided.
    """
    known = {arm.label: arm for arm in arms(it.configuration)}
    decided = {
        label: it.claims_under(arm, plan)
        for label, arm in known.items()
        if label == plan.reference and not it.rows.empty
    }
    before = {name for name, arm in known.items() if arm.settings == former}
    row = next((row for row in records(it.rows) if row["label"] in before), None)
    whole = len(it.runs) == it.expected
    return {
        "study": it.name,
        "ran": it.ran,
        "finding": confirmed(row, chosen, plan) if row and whole else "Not decided yet.",
        "comparison": it.comparison(plan),
        **_claims(decided, plan.reference, marks(it.runs)),
    }


def _comparison(rows: DataFrame, plan: Plan, warnings: list[str]) -> str:
    columns = [
        text("label", "label"),
        text("set otherwise", "apart"),
        Column("a reading", lambda row: KINDS[row["kind"]], left=True),
        number("difference (points)", "points", "+.2f"),
        interval(plan.confidence, "low", "high", "+.2f"),
        p_value("p", "p"),
        p_value("Holm p", "p_holm"),
        number("could show", "smallest", ".2f"),
    ]
    settings, seeds = (count(int(rows[key].max()), key[:-1]) for key in ("settings", "seeds"))
    note = (
        f"Each label minus `{plan.reference}`, the default when the study ran: test accuracy at "
        f"the last epoch, mean over {settings} and {seeds}, paired; {plan.confidence} interval and "
        "p of a t test, variance pooled over the settings, neither adjusted. Holm p: over all "
        f"variants of {plan.reference}, and for other methods over these. Could show: the true "
        f"difference that the study calls significant at {plan.alpha:g} with "
        f"{percent(plan.power)} power, after Holm at its worst; smaller ones may exist unseen."
    )
    return markdown(Table(rows, columns, note), note, warnings)


def _claims(decided: dict[str, DataFrame], label: str, warnings: list[str]) -> dict[str, Any]:
    """Return the claims under the default as a table, and under which readings each holds."""
    if label not in decided:
        return {"claims": NOTHING, "under": []}
    verdicts = {
        label: dict(zip(table["claim"], table["verdict"], strict=True))
        for label, table in decided.items()
    }
    default = decided[label]
    columns = [text("claim", "says"), text("verdict", "verdict"), text("figure", "figure")]
    others = count(len(decided) - 1, "other reading") if len(decided) > 1 else "no other reading"
    note = f"Under the default, `{label}`; they were asked under {others}."
    under = [
        (row["says"], about_claim({label: it[row["claim"]] for label, it in verdicts.items()}))
        for row in records(default)
    ]
    return {"claims": markdown(Table(default, columns, note), note, warnings), "under": under}
