"""Average ranks: the seed-averaged accuracy of the last epoch, ranked inside each setting.

Ranks compare sums of correct test images over the same seeds, which are integers, so that ties are
exact. The dense reference never ranks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pandas import DataFrame, Series

from fggp.analysis.catalogue import table
from fggp.analysis.complete_grids import Counts, all_entries, both_starts
from fggp.analysis.plan import Plan, default_plan
from fggp.analysis.spreads import margins, noise
from fggp.analysis.stats.bootstrap import resample
from fggp.analysis.stats.paired import Numbers, surest_rival
from fggp.analysis.tables.formats import Table, interval, number, text
from fggp.foundation.quantities import count
from fggp.study.cell_name import Level

COLUMNS = {
    "label": "str",
    "average_rank": "float64",
    "rank_low": "float64",
    "rank_high": "float64",
    "p_first": "float64",
    "p_most": "float64",
    "rival_p": "float64",
    "wins": "Int64",
    "settings": "Int64",
    "seeds": "Int64",
    "accuracy_percent": "float64",
    "gap_to_dense_points": "float64",
}
"""Columns of a ranking: 1 is the best rank; ``wins`` counts the settings ranked best, shared ones
for each label that shares them; accuracies are means over settings and seeds, the gap paired by
seed; ``rank_low`` to ``p_most`` are those of `fggp.analysis.stats.bootstrap`; ``rival_p`` is the
evidence that another entry is better, see `fggp.analysis.stats.paired.surest_rival`. After
these come the average ranks over parts of the settings, ``rank_vgg19``, ``rank_s90``, ``rank_i50``,
and the record against the reference method, ``against fggp``: settings won/tied/lost."""

REFERENCE = "dense (reference)"
PART, RECORD = "rank_", "against "


def ranking(runs: DataFrame, plan: Plan | None = None) -> DataFrame:
    """Rank the methods with both starts over backbone, sparsity and initial sparsity.

    Takes the trainings that `fggp.analysis.compared_runs.compared` returns.

    Returns:
        A row per label, sorted by average rank and label, with columns `COLUMNS` and those named
        there; the dense reference over the same backbones and seeds is last. No row if fewer than
        two labels rank.

    Raises:
        ResultError: naming the missing results, unless ``runs`` is marked partial.

    """
    return _ranked(both_starts(runs), plan or default_plan())


def ranking_all(runs: DataFrame, plan: Plan | None = None) -> DataFrame:
    """Rank every method over backbone and sparsity; one with both starts enters once per start.

    As `ranking`, but ``settings`` counts pairs of backbone and sparsity, and labels read like
    "fggp, dense start".
    """
    return _ranked(all_entries(runs), plan or default_plan())


@table("ranking", "Results", place=1)
def ranking_table(runs: DataFrame, plan: Plan) -> Table:
    """Average rank over backbone × sparsity × start, of methods with both starts.

    Ranks over the settings of the study, 1 is best, by test accuracy at the last epoch averaged
    over seeds. The columns ``settings`` and ``seeds`` (n) are the numbers behind a rank.
    ``rank_low`` to ``rank_high`` contain the average rank in 1 - alpha of the resamples of the
    seeds inside each setting (the same for all methods; percentiles). ``p_first`` is the share of
    resamples in which it alone is the best, and ``p_most`` the share in which the method alone is
    best in more than half of the settings. All four are empty with too few seeds. ``rival_p`` is
    the evidence that another method is more accurate over this grid: the smallest p of a paired t
    test (with the variance of the table ``comparisons``), times the number of other methods. The
    dense network is a reference and does not rank.
    """
    return _shown(ranking(runs, plan), plan, "backbone, sparsity and initial sparsity")


@table("ranking_all", "Results", place=2)
def ranking_all_table(runs: DataFrame, plan: Plan) -> Table:
    """Average rank over backbone × sparsity, of all methods, once per start.

    Settings are backbone × sparsity, and a method with both starts enters once per start. All
    columns are those of the table ``ranking``: ``settings`` and ``seeds`` (n) are the numbers
    behind a rank, 1 is best.
    """
    return _shown(ranking_all(runs, plan), plan, "backbone and sparsity")


def _ranked(counts: Counts | None, plan: Plan) -> DataFrame:
    if counts is None:
        return DataFrame([], columns=list(COLUMNS)).astype(COLUMNS)
    resampled = resample(counts, plan)
    points = counts.points
    columns: dict[str, Any] = {
        "label": counts.entries,
        "average_rank": counts.ranks.mean(axis=0),
        "rank_low": resampled.low,
        "rank_high": resampled.high,
        "p_first": resampled.first,
        "p_most": resampled.most,
        "rival_p": _surest_rival(counts, plan),
        "wins": (counts.sums == counts.sums.max(axis=1, keepdims=True)).sum(axis=0),
        "settings": len(counts.settings),
        "seeds": len(counts.seeds),
        "accuracy_percent": counts.correct.mean(axis=(0, 1)) * points,
        "gap_to_dense_points": (counts.correct - counts.dense[:, :, None]).mean(axis=(0, 1))
        * points,
    }
    for level, part in margins(counts.settings):
        columns[f"{PART}{level}"] = counts.ranks[part].mean(axis=0)
    for entry in (it for it in counts.entries if counts.labels[it] == plan.reference):
        columns[RECORD + entry] = _records(counts, entry)
    table = DataFrame(columns).sort_values(["average_rank", "label"], ignore_index=True)
    if not np.isnan(counts.dense).any():
        dense = {
            "label": REFERENCE,
            "accuracy_percent": float(counts.dense.mean()) * points,
            "settings": len(counts.settings),
            "seeds": len(counts.seeds),
        }
        table = DataFrame([*table.to_dict("records"), dense], columns=table.columns)
    return table.astype(COLUMNS)


def _surest_rival(counts: Counts, plan: Plan) -> Numbers:
    """Return the `surest_rival` p of each entry; NaN with too few seeds."""
    if len(counts.seeds) < plan.interval_seeds:
        return np.full(len(counts.entries), np.nan)
    parts = margins(counts.settings)
    return surest_rival(
        counts.correct.astype(np.float64),
        plan.alpha,
        lambda differences: noise(parts, list(differences), plan).spread,
    )


def _records(counts: Counts, reference: str) -> list[str | None]:
    """Return the settings won/tied/lost by each entry against one of them."""
    own = counts.entries.index(reference)
    differences = counts.sums - counts.sums[:, [own]]
    won, tied, lost = (differences > 0), (differences == 0), (differences < 0)
    records: list[str | None] = [
        "/".join(str(it[:, index].sum()) for it in (won, tied, lost))
        for index in range(len(counts.entries))
    ]
    records[own] = None
    return records


def _shown(data: DataFrame, plan: Plan, blocks: str) -> Table:
    parts = _more(data, PART)
    records = _more(data, RECORD)
    columns = [
        text("method", "label"),
        number("average rank", "average_rank", ".2f"),
        number("wins", "wins", "d"),
        *(text(f"W/T/L {key}", key) for key in records),
        *(number(_head(key), key, ".2f") for key in parts),
        number("accuracy (%)", "accuracy_percent", ".2f"),
        number("gap to dense (points)", "gap_to_dense_points", "+.2f"),
    ]
    if data["rank_low"].notna().any():
        columns[2:2] = [
            interval(f"resampled {plan.confidence}", "rank_low", "rank_high", ".2f"),
            number("P(rank 1)", "p_first", ".2f"),
        ]
    lowest = {"average rank": "average_rank"} | {_head(key): key for key in parts}
    highest = {
        "wins": "wins",
        "accuracy (%)": "accuracy_percent",
        "gap to dense (points)": "gap_to_dense_points",
    }
    rivals = data["label"] != REFERENCE
    bold = {head: _least(data[key].where(rivals)) for head, key in lowest.items()}
    bold |= {head: _least(-data[key].where(rivals)) for head, key in highest.items()}
    if (data["seeds"] < plan.interval_seeds).any():
        bold = {}
    return Table(data, columns, _note(data, plan, blocks), bold)


def _more(data: DataFrame, sign: str) -> list[str]:
    """Return the columns beyond `COLUMNS` that start with ``sign``."""
    return [key for key in map(str, data) if key.startswith(sign) and key not in COLUMNS]


def _least(values: Series[float]) -> list[bool]:
    return [bool(it) for it in (values == values.min()).fillna(False)]


def _head(key: str) -> str:
    return Level.parse(key.removeprefix(PART)).words


def _note(data: DataFrame, plan: Plan, blocks: str) -> str:
    if data.empty:
        return "Nothing to rank: needs two methods with results in the same settings."
    settings, seeds = int(data["settings"].max()), int(data["seeds"].max())
    parts = [
        f"Average rank of the mean accuracy (n = {count(seeds, 'seed')}) in "
        f"{count(settings, 'setting')} of {blocks}; 1 is best, wins are settings ranked best. "
        "Test accuracy at the last epoch; the gap to dense is paired by seed."
    ]
    if _more(data, PART):
        parts.append(
            "Columns named after a backbone, sparsity or start give the average rank within that "
            "subset."
        )
    if _more(data, RECORD):
        parts.append(
            f"W/T/L against {plan.reference}: settings won, tied and lost by the method of the row."
        )
    if seeds < plan.fewest_seeds:
        parts.append(
            "The interval of the average rank and P(rank 1) are not computable with "
            f"{count(seeds, 'seed')}; they need {plan.fewest_seeds}."
        )
    else:
        parts.append(
            f"Resampled {plan.confidence} and P(rank 1), the sole first place: "
            f"{plan.resamples} resamples of the seeds, the same for all methods, of this grid "
            "alone. With few seeds such intervals are too narrow, most of all for the "
            "top-ranked methods."
        )
    return " ".join(parts)
