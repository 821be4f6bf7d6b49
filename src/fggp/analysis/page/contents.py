"""The content of a page: the tables of the study and of its parts."""

from __future__ import annotations

import gc
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pandas import DataFrame

from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.compared_runs import compared
from fggp.analysis.complete_grids import name_of
from fggp.analysis.page.parts import Choices, Part
from fggp.analysis.page.sheets import Layout, Sheet, sheet
from fggp.analysis.plan import Plan
from fggp.analysis.tables.claims import claims_table
from fggp.analysis.tables.comparisons import comparisons_table
from fggp.analysis.tables.costs import costs_table
from fggp.analysis.tables.essential import essential_table
from fggp.analysis.tables.formats import Column, Row, missing, number, p_value, text
from fggp.analysis.tables.latency import latency_table
from fggp.analysis.tables.per_setting import per_setting_table
from fggp.analysis.tables.provenance import provenance_table
from fggp.analysis.tables.ranking import ranking_all_table, ranking_table
from fggp.analysis.tables.settings import settings_table

RESAMPLES = 2000
"""Resamples of the intervals of a part, unless the plan has fewer."""

METHOD = text("method", "label")
RIVAL = text("rival", "rival")
NUMBERS = (number("settings", "settings", "d"), number("seeds", "seeds", "d"))


class View(NamedTuple):
    """A part of the study in words, and its tables.

    ``fewer`` is the number of resamples of its intervals, if it has any and the plan has more.
    """

    part: Part
    words: str
    fewer: int | None
    ranking: Sheet
    ranking_all: Sheet
    comparisons: Sheet


@dataclass(frozen=True)
class Contents:
    """All tables of a page; the first view is that of the whole study."""

    stem: str
    choices: Choices
    views: list[View]
    settings: Sheet
    per_setting: Sheet
    claims: Sheet
    costs: Sheet
    latency: Sheet | None
    essential: Sheet | None
    provenance: Sheet


def contents(runs: DataFrame, plan: Plan, study: str, study_folder: Path | None = None) -> Contents:
    """Return the contents for a study, which is called ``study`` in the names of files.

    Latencies and one-shot accuracies are shown if ``study_folder`` has them.

    Raises ResultError if a table cannot be made.
    """
    # statsmodels collects garbage with every family of p, and there are hundreds.
    gc.freeze()
    try:
        return _contents(runs, plan, study, study_folder)
    finally:
        gc.unfreeze()


def _contents(runs: DataFrame, plan: Plan, study: str, study_folder: Path | None) -> Contents:
    some = compared(runs, plan)
    latency, essential = (it(runs, plan, study_folder) for it in (latency_table, essential_table))
    choices = Choices.of(some)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", study)
    return Contents(
        stem,
        choices,
        [
            _view(of_part, plan, part, choices.words(part), stem)
            for part, of_part in choices.split(some).items()
        ],
        _settings(some, plan, choices, stem),
        _per_setting(some, plan, choices, stem),
        sheet("claims", "Claims of the abstract", claims_table(some, plan, study_folder),
              Layout(text("claim", "says")), f"{stem}-claims.csv"),
        sheet("costs", "Cost of the trainings", costs_table(runs, plan),
              Layout(METHOD, ("backbone",), group=lambda row: str(row["backbone"])),
              f"{stem}-costs.csv"),
        None if latency.data.empty else sheet(
            "latency", "Milliseconds on a CPU", latency,
            Layout(METHOD, ("backbone",), group=lambda row: str(row["backbone"])),
            f"{stem}-latency.csv"),
        None if essential.data.empty else sheet(
            "essential", "Dense networks without their smallest weights", essential,
            Layout(text("network", "cell"), ("backbone",)), f"{stem}-essential.csv"),
        sheet("provenance", "Machines and versions", provenance_table(runs, plan),
              Layout(text("device", "device")), f"{stem}-provenance.csv"),
    )  # fmt: skip


def _view(runs: DataFrame, plan: Plan, part: Part, words: str, stem: str) -> View:
    declared = plan.resamples
    if part != Part():
        plan = plan.model_copy(update={"resamples": min(declared, RESAMPLES)})
    name = f"{stem}-{part.name or 'all'}"
    both, every = ranking_table(runs, plan), ranking_all_table(runs, plan)
    drawn = any(table.data["rank_low"].notna().any() for table in (both, every))
    return View(
        part,
        words,
        plan.resamples if drawn and plan.resamples < declared else None,
        sheet("ranking", f"Average rank over backbone, sparsity and start: {words}",
              both, Layout(METHOD, more=NUMBERS), f"{name}.csv"),
        sheet("ranking_all", f"Average rank over backbone and sparsity, every method: {words}",
              every, Layout(METHOD, more=NUMBERS), f"{name}-ranking_all.csv"),
        sheet("comparisons", f"{plan.reference} minus each rival, mean over settings: {words}",
              comparisons_table(runs, plan), Layout(RIVAL, more=NUMBERS),
              f"{name}-comparisons.csv"),
    )  # fmt: skip


def _settings(runs: DataFrame, plan: Plan, choices: Choices, stem: str) -> Sheet:
    table = settings_table(runs, plan)
    named = next(column for column in table.columns if column.head == METHOD.head)
    layout = Layout(named, ("backbone", "sparsity", "start"), group=_setting, place=choices.place)
    return sheet(
        "settings", "Every method in every setting", table, layout, f"{stem}-all-settings.csv"
    )


def _per_setting(runs: DataFrame, plan: Plan, choices: Choices, stem: str) -> Sheet:
    more = (number("seeds", "seeds", "d"), p_value("smallest p of ranks", "smallest_sign_p"))
    layout = Layout(
        Column("setting", _setting, left=True),
        ("backbone", "sparsity", "start", "rival", "method"),
        more,
        group=lambda row: f"{row['reference']} minus {row['rival']}",
        place=choices.place,
    )
    table = per_setting_table(runs, plan)
    caption = f"{plan.reference} minus each rival inside each setting"
    return sheet("per_setting", caption, table, layout, f"{stem}-all-per_setting.csv")


def _setting(row: Row) -> str:
    if row.get("label") == DENSE:
        return f"{row['backbone']}, {DENSE}"
    return name_of({key: it for key, it in row.items() if key != "start" or not missing(it)})
