"""What the page about the default reading says, from the tables of the study that decides it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pandas import DataFrame

from fggp.analysis.default_reading import METHOD, READING, VARIANT, against_default
from fggp.analysis.finding import about_claim, finding
from fggp.analysis.forms import (
    Column,
    Table,
    count,
    interval,
    markdown,
    number,
    p_value,
    records,
    text,
)
from fggp.analysis.frames import RUNS, marks
from fggp.analysis.material import Material
from fggp.analysis.plan import Plan, read_plan
from fggp.analysis.readings import METHOD as FGGP
from fggp.analysis.readings import Arm, arms, claims_under
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
    name = plan.default_reading.study
    material = Material(figures / name)
    there = (figures / name / "cells.json").exists()
    runs = material.runs if there else DataFrame(columns=list(RUNS)).astype(RUNS)
    configuration = material.configuration if there else {}
    expected = len(material.expected) if there else 0
    rows = against_default(runs, configuration, plan)
    asked = [
        arm
        for arm in arms(configuration)
        if arm.is_reading and arm.label in {plan.reference, *rows["label"]}
    ]
    decided = {arm.label: claims_under(runs, arm, configuration, plan) for arm in asked}
    today = Arm("today", METHODS[FGGP].settings().model_dump(mode="json"))
    known = {arm.label: arm for arm in arms(configuration)}
    default = next((it for it, arm in known.items() if arm.settings == today.settings), None)
    found = finding(runs, rows, expected, plan, default)
    former = known.get(plan.reference, today)
    return {
        "was": "" if former.settings == today.settings else former.apart(today),
        "study": name,
        "ran": _ran(material, expected) if len(runs) else NOTHING,
        "alpha": plan.alpha,
        "finding": found.sentence,
        "kind": found.kind,
        "comparison": NOTHING if rows.empty else _comparison(rows, plan, marks(runs)),
        **_claims(decided, default if default in decided else plan.reference, marks(runs)),
    }


def _ran(material: Material, expected: int) -> str:
    runs = material.runs
    partial = "" if len(runs) == expected else ", **partial**"
    hours = float(runs["seconds"].sum()) / 3600
    return f"{material.title}: {len(runs)} of {expected} trainings{partial}, {hours:.1f} hours."


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
        f"{100 * plan.power:.4g} % power, after Holm at its worst; smaller ones may exist unseen."
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
    note = f"Under the default, `{label}`; {count(len(decided), 'reading')} in all."
    under = [
        (row["says"], about_claim({label: it[row["claim"]] for label, it in verdicts.items()}))
        for row in records(default)
    ]
    return {"claims": markdown(Table(default, columns, note), note, warnings), "under": under}
