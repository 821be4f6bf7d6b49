"""The reference method against each rival inside each setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.pairs import Pair, nothing, pairs
from fggp.analysis.plan import Plan, default_plan
from fggp.analysis.stats.paired import estimate, holm, pooled, smallest_p
from fggp.analysis.tables.formats import (
    Column,
    Table,
    interval,
    number,
    p_value,
    records,
    remarks,
    text,
)
from fggp.foundation.quantities import count, percent

COLUMNS = {
    "blocks": "str",
    "backbone": "str",
    "sparsity": "float64",
    "start": "str",
    "reference": "str",
    "rival": "str",
    "seeds": "Int64",
    "difference_points": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
    "p_holm": "float64",
    "sd": "float64",
    "pooled_sd": "float64",
    "df": "Int64",
    "smallest_sign_p": "float64",
    "note": "str",
}
"""Columns of the comparisons inside settings: paired t with the variance pooled over the settings
(``pooled_sd``, ``df``; ``sd`` is that of the setting alone), p adjusted by Holm over the settings
of the pair; ``smallest_sign_p`` is what a test of ranks or signs on so many seeds could reach."""


def per_setting(runs: DataFrame, plan: Plan | None = None) -> DataFrame:
    """Compare the reference with each rival inside each setting.

    Returns rows with columns `COLUMNS`, by pair as in `pairs` and by setting.
    """
    plan = plan or default_plan()
    rows = [row for pair in pairs(runs, plan) for row in _settings_of(pair, plan)]
    return DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


@table("per_setting", "Results", place=5)
def per_setting_table(runs: DataFrame, plan: Plan) -> Table:
    """The reference method against each rival inside each setting: paired t, Holm.

    Paired t intervals of level 1 - alpha over n = ``seeds``, with the variance pooled over the
    settings of the pair, p adjusted by Holm over these settings; ``smallest_sign_p`` is what a test
    of ranks or signs could reach at best.
    """
    data = per_setting(runs, plan)
    columns = [
        *([text("method", "reference")] if data["reference"].nunique() > 1 else []),
        text("rival", "rival"),
        text("backbone", "backbone"),
        Column("sparsity", lambda row: percent(row["sparsity"])),
        text("start", "start"),
        number("difference (points)", "difference_points", "+.2f"),
        interval(f"{plan.confidence} interval", "low", "high", "+.2f"),
        p_value("p", "p"),
        p_value("Holm p", "p_holm"),
        number("sd", "sd", ".2f"),
        number("pooled sd", "pooled_sd", ".2f"),
        *remarks(data),
    ]
    significant = [bool(p < plan.alpha) for p in data["p_holm"]]
    return Table(data, columns, _note(data, plan), {"Holm p": significant})


def _settings_of(pair: Pair, plan: Plan) -> Iterator[dict[str, Any]]:
    differences = pair.differences
    seeds = differences.shape[1]
    spread = pooled(list(differences))
    found = [
        estimate(float(row.mean()), spread.sd / np.sqrt(seeds), spread.df, plan.alpha)
        for row in differences
    ]
    computed = [it.p for it in found if not np.isnan(it.p)]
    adjusted = iter(holm(computed))
    for index, setting in enumerate(records(pair.counts.settings)):
        it = found[index]
        yield {
            "blocks": pair.blocks,
            **setting,
            "reference": pair.reference,
            "rival": pair.rival,
            "seeds": seeds,
            "difference_points": it.mean,
            "low": it.low,
            "high": it.high,
            "p": it.p,
            "p_holm": np.nan if np.isnan(it.p) else next(adjusted),
            "sd": float(differences[index].std(ddof=1)) if seeds > 1 else np.nan,
            "pooled_sd": spread.sd,
            "df": spread.df,
            "smallest_sign_p": smallest_p(seeds),
            "note": _no_spread(seeds, spread.sd),
        }


def _no_spread(seeds: int, sd: float) -> str:
    if seeds < 2:
        return "not computable: 1 seed"
    return "" if sd > 0 else "not computable: no spread between seeds"


def _note(data: DataFrame, plan: Plan) -> str:
    if data.empty:
        return nothing(plan)
    seeds = int(data["seeds"].max())
    return (
        f"{plan.reference} minus each rival inside a setting, n = {count(seeds, 'seed')} paired: "
        "paired t with the variance pooled over the settings of the pair; p by Holm over these "
        f"settings, bold below {plan.alpha:g}. A test of ranks or signs on "
        f"{count(seeds, 'seed')} could not give a p below {smallest_p(seeds):.2g}, which is why "
        "there is none."
    )
