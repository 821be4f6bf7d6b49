"""Every label in every setting: mean and spread over seeds, and differences from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Series

from fggp.analysis.catalogue import table
from fggp.analysis.collect.runs_csv import DENSE, is_partial
from fggp.analysis.complete_grids import FAMILIES, SETTING, one_number_of_images, refuse_gaps
from fggp.analysis.plan import Plan, default_plan
from fggp.analysis.spreads import Noise, margins, noise, possible
from fggp.analysis.stats.paired import Estimate, Numbers, Spread, estimate, holm
from fggp.analysis.tables.formats import (
    Column,
    Row,
    Table,
    interval,
    missing,
    number,
    remarks,
    shown,
    text,
)
from fggp.foundation.quantities import count, counts, percent, prefixed
from fggp.study.verdict import ENDINGS, FAILURES

COLUMNS = {
    "backbone": "str",
    "sparsity": "float64",
    "initial_sparsity": "float64",
    "start": "str",
    "label": "str",
    "ranks": "bool",
    "n": "int64",
    "accuracy_percent": "float64",
    "sd": "float64",
    "rank": "float64",
    "best": "bool",
    "behind_points": "float64",
    "behind_low": "float64",
    "behind_high": "float64",
    "near_best": "bool",
    "gap_points": "float64",
    "gap_low": "float64",
    "gap_high": "float64",
    "gap_p": "float64",
    "gap_p_holm": "float64",
    "realised_sparsity": "float64",
    **dict.fromkeys(FAILURES, "int64"),
    "note": "str",
}
"""Columns of the table: ``sd`` is the sample standard deviation over ``n`` seeds; ``behind_…`` is
the best of the setting minus this label, ``gap_…`` this label minus dense, in points and paired by
seed, with intervals whose variance is pooled over the settings of the label for the former (that of
the setting if the plan's check rejects one), and that of the setting alone for the latter, because
several settings share a dense run; ``gap_p_holm`` is adjusted over these settings; ``near_best`` is
true if the interval of ``behind_points`` contains 0. ``inference_flops`` (one image) and
``training_flops`` (all of it) follow if runs have them."""

FLOPS = {"inference_flops": "inference_macs", "training_flops": "training_macs"}

KEYS = [*SETTING, "start"]

Setting = tuple[Any, ...]
Held = dict[Setting, dict[str, "Series[float]"]]
"""Correct images by setting and label, each over its seeds."""


def settings(runs: DataFrame, plan: Plan | None = None) -> DataFrame:
    """Return a row per setting and label, references included, with columns `COLUMNS`.

    Takes the trainings that `fggp.analysis.compared_runs.compared` returns. Rows are sorted by
    backbone, sparsity and start; inside a setting the most accurate is first, and labels that do
    not rank are last. ``rank`` and ``best`` are those among the ranking labels, on the seeds that
    they share.

    Raises:
        ResultError: naming the missing results, unless ``runs`` is marked partial.

    """
    plan = plan or default_plan()
    if not is_partial(runs):
        for starts, by in FAMILIES.items():
            family = runs[runs["starts"] == starts]
            if not family.empty:
                refuse_gaps(family.assign(entry=family["label"]), by, runs, "table of settings")
    rows: list[dict[str, Any]] = []
    held: Held = {}
    points = np.nan if runs.empty else 100 / one_number_of_images(runs)
    for (*setting, label), part in runs.groupby([*KEYS, "label"], dropna=False):
        correct = part.set_index("seed")["correct_last"].sort_index()
        held.setdefault(tuple(map(_key, setting)), {})[str(label)] = correct
        rows.append(dict(zip(KEYS, setting, strict=True)) | _measured(part, correct * points))
    _add_gaps(rows, held, points, plan)
    _add_ranks(rows, held, points, plan)
    for row in rows:
        row["note"] = _remark(row, any(it["label"] == DENSE for it in rows), plan)
    extra = [
        name for name, source in FLOPS.items() if source in runs and runs[source].notna().any()
    ]
    table = DataFrame(rows, columns=[*COLUMNS, *extra]).astype(COLUMNS)
    table["late"] = ~table["ranks"] & (table["label"] != DENSE)
    order = ["backbone", "sparsity", "initial_sparsity", "late", "accuracy_percent", "label"]
    up = [True, True, True, True, False, True]
    return table.sort_values(order, ascending=up, ignore_index=True).drop(columns="late")


@table("settings", "Results", place=3)
def settings_table(runs: DataFrame, plan: Plan) -> Table:
    """Mean ± sd, rank, gap to dense and realized sparsity of every method in every setting.

    Test accuracy at the last epoch over ``n`` seeds with its sample standard deviation, and the
    gaps to the dense network and to the best method, paired by seed, with t intervals of level 1 -
    alpha, not corrected for their number. The variance is pooled over the settings of the method
    for the gap to the best, and that of the setting for the gap to dense, because settings share
    dense runs.
    """
    data = settings(runs, plan)
    columns = [
        text("backbone", "backbone"),
        Column("sparsity", lambda row: percent(row["sparsity"])),
        Column("start", lambda row: "-" if row["label"] == DENSE else row["start"], left=True),
        Column("method", _name, left=True),
        Column("accuracy (%)", _mean_and_sd),
        number("n", "n", "d"),
        number("rank", "rank", ".3g"),
        number("gap to dense", "gap_points", "+.2f"),
        interval(f"{plan.confidence} interval", "gap_low", "gap_high", "+.2f"),
        Column("realized sparsity", lambda row: _realized(row["realised_sparsity"])),
        *(_flops(name) for name in FLOPS if name in data),
        *remarks(data),
    ]
    bold = {"accuracy (%)": (data["best"] & (data["n"] >= plan.interval_seeds)).to_list()}
    near = {"accuracy (%)": data["near_best"].to_list()}
    return Table(data, columns, _note(data, plan), bold, near)


def _realized(share: float) -> str:
    """Return a sparsity with two decimals, and with more where these would be 100."""
    rounded = f"{100 * share:.2f} %"
    return percent(share) if share < 1 and rounded == "100.00 %" else rounded


def _flops(name: str) -> Column:
    """Return a column of FLOPs with SI prefixes: "10.2 M"."""
    head = name.replace("_flops", " FLOPs")
    return Column(head, lambda row: "-" if missing(row[name]) else prefixed(row[name], ""))


def _measured(part: DataFrame, percent: Series[float]) -> dict[str, Any]:
    first = part.iloc[0]
    flops = {
        name: 2 * float(part[source].mean())
        for name, source in FLOPS.items()
        if source in part and part[source].notna().all()
    }
    return flops | {
        "label": first["label"],
        "ranks": first["ranks"],
        "n": len(part),
        "accuracy_percent": percent.mean(),
        "sd": percent.std(ddof=1) if len(part) > 1 else np.nan,
        "realised_sparsity": part["realised_sparsity"].mean(),
        **{verdict: int((part["verdict"] == verdict).sum()) for verdict in FAILURES},
        "best": False,
        "near_best": False,
    }


def _add_gaps(rows: Sequence[dict[str, Any]], held: Held, points: float, plan: Plan) -> None:
    dense = {key[0]: it[DENSE] for key, it in held.items() if DENSE in it}
    for label in sorted({row["label"] for row in rows} - {DENSE}):
        own = [row for row in rows if row["label"] == label]
        gaps = {
            key: _difference(it[label], dense.get(key[0]), points)
            for key, it in held.items()
            if label in it
        }
        for row in own:
            # Not pooled: one dense run is part of the gaps of several settings.
            gap = gaps[_setting(row)]
            found = _paired(gap, noise([], [gap], plan).spread, plan.alpha)
            row |= {"gap_points": found.mean, "gap_low": found.low, "gap_high": found.high}
            row["gap_p"] = found.p
        computed = [row for row in own if not np.isnan(row["gap_p"])]
        for row, p in zip(computed, holm([row["gap_p"] for row in computed]), strict=True):
            row["gap_p_holm"] = p


def _add_ranks(rows: Sequence[dict[str, Any]], held: Held, points: float, plan: Plan) -> None:
    for key, it in held.items():
        own = [row for row in rows if _setting(row) == key and row["ranks"]]
        sums = _sums({row["label"]: it[row["label"]] for row in own})
        if sums is None:
            continue
        ranks, best = sums.rank(ascending=False), str(sums.idxmax())
        for row in own:
            label = row["label"]
            own_difference = _difference(it[best], it[label], points)
            spread = _noise_of(best, label, held, points, plan).inside(own_difference)
            found = _paired(own_difference, spread, plan.alpha)
            row |= {"rank": ranks[label], "best": bool(sums[label] == sums[best])}
            row |= {"behind_points": found.mean, "behind_low": found.low, "behind_high": found.high}
            row["near_best"] = not row["best"] and found.low <= 0 <= found.high


def _noise_of(best: str, label: str, held: Held, points: float, plan: Plan) -> Noise:
    """Return the noise of the difference of two labels over the settings that have both."""
    shared = {key: it for key, it in held.items() if {best, label} <= it.keys()}
    where = DataFrame(list(shared), columns=KEYS)
    differences = [_difference(it[best], it[label], points) for it in shared.values()]
    return noise(margins(where), differences, plan)


def _sums(labels: dict[str, Series[float]]) -> Series[float] | None:
    """Return correct images over the seeds that all labels have; None without rivals or seeds."""
    shared = DataFrame(labels).dropna()
    return None if len(labels) < 2 or shared.empty else shared.sum()


def _difference(a: Series[float], b: Series[float] | None, points: float) -> Numbers:
    """Return a − b in points over the seeds that both have."""
    if b is None:
        return np.array([], dtype=np.float64)
    return np.asarray((a - b).dropna(), dtype=np.float64) * points


def _paired(differences: Numbers, spread: Spread, alpha: float) -> Estimate:
    if not len(differences):
        return Estimate(np.nan, np.nan, np.nan, np.nan)
    se = spread.sd / np.sqrt(len(differences))
    return possible(estimate(float(differences.mean()), float(se), spread.df, alpha))


def _setting(row: Row) -> Setting:
    return tuple(_key(row[name]) for name in KEYS)


def _key(value: Any) -> Any:
    return None if pd.isna(value) else value


def _remark(row: Row, has_dense: bool, plan: Plan) -> str:
    few = row["n"] < plan.interval_seeds
    parts = [f"no interval: {count(row['n'], 'seed')}"] if few else []
    if has_dense and row["label"] != DENSE and np.isnan(row["gap_points"]):
        parts.append("gap not computable: no dense network with these seeds")
    elif not few and row["label"] != DENSE and has_dense and np.isnan(row["gap_low"]):
        parts.append("interval of the gap not computable: no spread between seeds")
    parts += [
        f"{count(row[verdict], 'run')} {told}" for verdict, told in ENDINGS.items() if row[verdict]
    ]
    return "; ".join(parts)


def _name(row: Row) -> str:
    quiet = row["ranks"] or row["label"] == DENSE
    return str(row["label"]) if quiet else f"{row['label']} (not ranked)"


def _mean_and_sd(row: Row) -> str:
    mean = shown(row["accuracy_percent"], ".2f")
    return mean if np.isnan(row["sd"]) else f"{mean} ± {shown(row['sd'], '.2f')}"


def _note(data: DataFrame, plan: Plan) -> str:
    if data.empty:
        return "Nothing to show: no result yet."
    seeds = counts(data["n"], "seed")
    parts = [
        f"Test accuracy at the last epoch: mean ± sample standard deviation over n = {seeds}. The "
        "gap to dense is in points and paired by seed; its interval uses only the variance of the "
        "setting, because settings share dense runs. Bold: best of its setting; underlined: "
        f"not separable from the best (the paired {plan.confidence} interval of the difference "
        "contains 0; not corrected for multiple comparisons; variance pooled over settings, or "
        "that of the setting if the check of the plan rejects one for all)."
    ]
    if not data.loc[data["label"] != DENSE, "ranks"].all():
        parts.append(
            "Methods that are not ranked are references, compared at their realized sparsity."
        )
    if (data["label"] != DENSE).all():
        parts.append("Gaps: not computable, the study has no dense network.")
    if any(name in data for name in FLOPS):
        parts.append(
            "FLOPs are two per multiply-accumulate of kept weights: inference of one image, "
            "training as a whole; theoretical, as masks simulate sparsity."
        )
    return " ".join(parts)
