"""The choice of the default of `fggp` before the authors' code was read: two studies, two tests.

The rule is ``default_reading`` in ``config/stats.yaml``, declared before its study had results. One
study compared every setting of fggp with the default of that time; another repeated the winner on
new seeds. The studies are complete and shipped, so their tables are final.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pandas import DataFrame

from fggp.analysis.collect.runs_csv import marks
from fggp.analysis.fggp_variants import METHOD, apart, is_candidate
from fggp.analysis.pairs import STARTS, Pair, pairs
from fggp.analysis.plan import Plan, read_plan
from fggp.analysis.stats.paired import (
    Estimate,
    holm,
    on_the_grid,
    over_seeds,
    own_spreads,
    pooled,
)
from fggp.analysis.stats.power import power_of, smallest_difference
from fggp.analysis.study_tables import Material
from fggp.analysis.tables.formats import Table, interval, markdown, number, p_value, text
from fggp.foundation.errors import ResultError
from fggp.methods import METHODS


class Compared(NamedTuple):
    """A label minus the reference of its study, in points of accuracy, settings × seeds pairs.

    Attributes:
        label: the label compared.
        apart: its settings that differ from the reference, in words.
        candidate: whether the rule allows it as the default: gradient first, both criteria, a
            fixed rate.
        pooled: the estimate with one variance for all settings, as the rule declares.
        own: the estimate with a variance for each setting (Satterthwaite).
        by_seeds: the estimate from the means of the seeds.
        pooled_holm: the p of ``pooled`` after Holm over all variants of fggp.
        own_holm: the p of ``own`` after Holm over the same.
        se: standard error of ``pooled``.
        df: its degrees of freedom.

    """

    label: str
    apart: str
    candidate: bool
    pooled: Estimate
    own: Estimate
    by_seeds: Estimate
    pooled_holm: float
    own_holm: float
    se: float
    df: float


class Study(NamedTuple):
    """A complete study of variants of fggp.

    Attributes:
        name: of the study.
        title: its description.
        trainings: the number of trainings run.
        hours: their time.
        rows: the variants against the reference, the best first.
        table: the same as Markdown.

    """

    name: str
    title: str
    trainings: int
    hours: float
    rows: list[Compared]
    table: str

    def row(self, label: str) -> Compared:
        """Return the row of a label; raises ResultError if the study does not have it."""
        for row in self.rows:
            if row.label == label:
                return row
        raise ResultError(f"{self.name}: has no results of {label}; restore results/reference")


def default_choice(figures: Path) -> dict[str, Any]:
    """Return the facts of the choice for the page ``docs/fidelity.md``.

    Args:
        figures: the folder with the tables of each study, as ``make paper`` writes them.

    Returns:
        ``chosen`` and ``confirmed``: the `Study` of each; ``winner``: the `Compared` of the setting
        that is the default today, in the first; ``repeated``: the same on new seeds, today's
        default minus the former one, and ``repeated_own``: with a variance for each setting;
        ``smallest``: the difference that this test detects with the
        power of the plan; ``power``: its power for the difference of the choice.

    Raises:
        ResultError: if a table is missing, or a study has no results of the default.

    """
    plan, _ = read_plan()
    declared = plan.default_reading
    chosen, confirmed = (_study(figures / it, plan) for it in (declared.study, declared.confirm))
    settings = Material(figures / declared.study).configuration["methods"]
    winner = chosen.row(_label_of(settings, METHODS[METHOD].defaults, declared.study))
    former = settings[plan.reference]["settings"]
    again = Material(figures / declared.confirm).configuration["methods"]
    before = confirmed.row(_label_of(again, former, declared.confirm))
    return {
        "chosen": chosen,
        "confirmed": confirmed,
        "winner": winner,
        "repeated": _minus(before.pooled),
        "repeated_own": _minus(before.own),
        "smallest": smallest_difference(before.se, before.df, plan.alpha, plan.power),
        "power": power_of(winner.pooled.mean, before.se, before.df, plan.alpha),
        "variants": len(chosen.rows),
        "plan": plan,
    }


def _label_of(methods: Mapping[str, Any], settings: Mapping[str, Any], study: str) -> str:
    """Return the label of fggp with these settings except `weights`: the studies are older."""
    for label, method in methods.items():
        own = method["settings"] | {"weights": settings["weights"]}
        if method["name"] == METHOD and own == settings:
            return label
    raise ResultError(f"{study}: no label is fggp with the settings {dict(settings)}")


def _minus(it: Estimate) -> Estimate:
    return Estimate(-it.mean, -it.high, -it.low, it.p)


def _study(folder: Path, plan: Plan) -> Study:
    if not (folder / "cells.json").exists():
        raise ResultError(f"{folder}: has no tables; make them with `make paper`")
    material = Material(folder)
    runs, methods = material.runs, material.configuration["methods"]
    own = {label: it["settings"] for label, it in methods.items() if it["name"] == METHOD}
    met = [it for it in pairs(runs, plan) if it.blocks == STARTS and it.rival in own]
    rows = _compared(met, own, plan)
    return Study(
        folder.name,
        material.title,
        len(runs),
        float(runs["seconds"].sum()) / 3600,
        rows,
        _table(rows, plan, marks(runs)),
    )


def _compared(met: list[Pair], own: Mapping[str, dict[str, Any]], plan: Plan) -> list[Compared]:
    """Compare each variant with the reference; one Holm family, the best first."""
    differences = [-pair.differences for pair in met]
    pooled_, own_, seeds = (
        [it(values, plan.alpha) for values in differences]
        for it in (on_the_grid, own_spreads, over_seeds)
    )
    adjusted = [holm([estimate.p for estimate in it]) for it in (pooled_, own_)]
    rows = []
    for i, (pair, values) in enumerate(zip(met, differences, strict=True)):
        spread, settings = pooled(list(values)), own[pair.rival]
        rows.append(
            Compared(
                pair.rival,
                apart(settings, own[plan.reference]) or "nothing",
                is_candidate(settings),
                pooled_[i],
                own_[i],
                seeds[i],
                adjusted[0][i],
                adjusted[1][i],
                spread.sd / np.sqrt(values.size),
                spread.df,
            )
        )
    return sorted(rows, key=lambda row: -row.pooled.mean)


def _table(rows: list[Compared], plan: Plan, warnings: list[str]) -> str:
    data = DataFrame(
        {
            "label": row.label,
            "apart": row.apart,
            "candidate": "yes" if row.candidate else "no",
            "points": row.pooled.mean,
            "low": row.pooled.low,
            "high": row.pooled.high,
            "pooled": row.pooled_holm,
            "own": row.own_holm,
        }
        for row in rows
    )
    columns = [
        text("label", "label"),
        text("differs in", "apart"),
        text("candidate", "candidate"),
        number("difference (points)", "points", "+.2f"),
        interval(plan.confidence, "low", "high", "+.2f"),
        p_value("Holm p, pooled", "pooled"),
        p_value("Holm p, Satterthwaite", "own"),
    ]
    note = (
        f"Each variant minus `{plan.reference}`: test accuracy at the last epoch, paired by "
        "setting and seed. The interval and the first p pool the variance over the settings, "
        "as declared; the second p lets every setting have its own. Holm is over the variants "
        "of fggp. A candidate prunes by gradient first, uses both criteria, and has a fixed rate."
    )
    return markdown(Table(data, columns, note), note, warnings)
