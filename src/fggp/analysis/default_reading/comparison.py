"""The default reading against every other: how much better, and how sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pandas import DataFrame

from fggp.analysis.fggp_variants import Arm, arms
from fggp.analysis.pairs import STARTS, Pair, pairs
from fggp.analysis.plan import Plan
from fggp.analysis.stats.paired import holm, on_the_grid, over_seeds, pooled
from fggp.analysis.stats.power import smallest_difference
from fggp.analysis.tables.formats import missing

COLUMNS = {
    "label": "str",
    "kind": "str",
    "apart": "str",
    "settings": "Int64",
    "seeds": "Int64",
    "points": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
    "p_holm": "float64",
    "se": "float64",
    "df": "Int64",
    "smallest": "float64",
    "seeds_low": "float64",
    "seeds_high": "float64",
    "seeds_p": "float64",
}
"""Columns: a label and what it is (`READING`, `VARIANT`, `METHOD`); what it sets otherwise; its
accuracy minus the default's in points, mean over settings and seeds, with its interval and its
two-sided p (variance pooled over settings, ``se`` and ``df``); that p after Holm over all variants
(over the methods for these); the smallest true difference that the study finds after Holm at its
worst; and interval and p from the means of the seeds alone, which may correlate over settings."""

READING, VARIANT, METHOD = "reading", "variant", "method"


def against_default(runs: DataFrame, configuration: Mapping[str, Any], plan: Plan) -> DataFrame:
    """Compare every label with both starts with the default; the best first, with `COLUMNS`.

    Takes ``runs.csv`` as `fggp.analysis.collect.runs_csv.read_runs` returns it; no rows where the
    default has no results, or nothing to be compared with.
    """
    known = {arm.label: arm for arm in arms(configuration)}
    default = known.get(plan.reference)
    met = [pair for pair in pairs(runs, plan) if pair.blocks == STARTS] if default else []
    families: dict[bool, list[Pair]] = {True: [], False: []}
    for pair in met:
        families[pair.rival in known].append(pair)
    rows: list[dict[str, Any]] = []
    for family in families.values():
        found = [_row(pair, known.get(pair.rival), default, len(family), plan) for pair in family]
        # Without a spread between seeds there is no p: such a row is in no family.
        tested = [row for row in found if not missing(row["p"])]
        for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
            row["p_holm"] = p
        rows += found
    rows.sort(key=lambda row: -row["points"])
    return DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _row(
    pair: Pair, arm: Arm | None, default: Arm | None, family: int, plan: Plan
) -> dict[str, Any]:
    differences = -pair.differences
    settings, seeds = differences.shape
    found, by_seeds = (it(differences, plan.alpha) for it in (on_the_grid, over_seeds))
    spread = pooled(list(differences))
    se = spread.sd / np.sqrt(differences.size)
    return {
        "label": pair.rival,
        "kind": METHOD if arm is None else READING if arm.is_reading else VARIANT,
        "apart": arm.apart(default) if arm and default else "another method",
        "settings": settings,
        "seeds": seeds,
        "points": found.mean,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "p_holm": np.nan,
        "se": se,
        "df": spread.df,
        "seeds_low": by_seeds.low,
        "seeds_high": by_seeds.high,
        "seeds_p": by_seeds.p,
        "smallest": smallest_difference(float(se), spread.df, plan.alpha / family, plan.power),
    }
