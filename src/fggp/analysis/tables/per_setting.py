"""The reference method against each rival inside each setting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.pairs import Pair, nothing, pairs
from fggp.analysis.plan import Plan, default_plan
from fggp.analysis.spreads import SPREADS, Noise, possible
from fggp.analysis.stats.paired import Estimate, Numbers, Spread, estimate, holm, smallest_p
from fggp.analysis.stats.power import LARGEST
from fggp.analysis.tables.fields import Field, between, frame, visible
from fggp.analysis.tables.formats import Row, Table, records, remarks, text
from fggp.foundation.quantities import count, percent


def per_setting(runs: DataFrame, plan: Plan | None = None) -> DataFrame:
    """Compare the reference with each rival inside each setting.

    Returns rows with columns `FIELDS`, by pair as in `pairs` and by setting.
    """
    plan = plan or default_plan()
    return frame(FIELDS, (row for pair in pairs(runs, plan) for row in _settings_of(pair, plan)))


@table("per_setting", "Results", place=5)
def per_setting_table(runs: DataFrame, plan: Plan) -> Table:
    """The reference method against each rival inside each setting: paired t, Holm.

    Paired t intervals of level 1 - alpha over n = ``seeds``, with the variance pooled over the
    settings of the pair, or that of the setting if the plan's check rejects one ``spread``. The p
    is adjusted by Holm over these settings. ``smallest_sign_p`` is the smallest p that a test of
    ranks or signs could reach.
    """
    data = per_setting(runs, plan)
    columns = [*visible(FIELDS, level=plan.confidence), *remarks(data)]
    if data["reference"].nunique() > 1:
        columns.insert(0, text("method", "reference"))
    significant = [bool(p < plan.alpha) for p in data["p_holm"]]
    return Table(data, columns, _note(data, plan), {"Holm p": significant})


@dataclass(frozen=True)
class Inside:
    """The subject of a row: a pair inside a setting.

    ``found`` is the paired t with the ``spread`` that ``noise`` gives this setting, ``p_holm`` its
    p adjusted over the settings of the pair.
    """

    pair: Pair
    setting: Row
    differences: Numbers
    noise: Noise
    spread: Spread
    found: Estimate
    p_holm: float

    @property
    def note(self) -> str:
        """The reason why there is no interval, or why it is cut."""
        if not self.noise.known:
            return f"no interval and no p: {count(len(self.differences), 'seed')}"
        if max(abs(self.found.low), abs(self.found.high)) == LARGEST:
            return f"the interval ends at {LARGEST:g} points, the largest possible difference"
        return "" if self.spread.sd > 0 else "not computable: no spread between seeds"


def _settings_of(pair: Pair, plan: Plan) -> Iterator[Inside]:
    differences = pair.differences
    seeds = differences.shape[1]
    noise = pair.noise(plan)
    spreads = [noise.inside(row) for row in differences]
    found = [
        possible(estimate(float(row.mean()), it.sd / np.sqrt(seeds), it.df, plan.alpha))
        for row, it in zip(differences, spreads, strict=True)
    ]
    adjusted = iter(holm([it.p for it in found if not np.isnan(it.p)]))
    settings = records(pair.counts.settings)
    for setting, row, spread, it in zip(settings, differences, spreads, found, strict=True):
        p_holm = np.nan if np.isnan(it.p) else next(adjusted)
        yield Inside(pair, setting, row, noise, spread, it, p_holm)


def _sd(row: Inside) -> float:
    return float(row.differences.std(ddof=1)) if len(row.differences) > 1 else np.nan


FIELDS: tuple[Field[Inside], ...] = (
    Field("blocks", "str", "the kind of a setting, see `pairs`", lambda it: it.pair.blocks),
    Field("backbone", "str", "the network", lambda it: it.setting["backbone"], "backbone"),
    Field("sparsity", "float64", "its sparsity, 0 to 1", lambda it: it.setting["sparsity"],
          "sparsity", percent),
    Field("start", "str", "its start, if both methods have two",
          lambda it: it.setting.get("start"), "start"),
    Field("reference", "str", "the reference, with a start if it has one here",
          lambda it: it.pair.reference),
    Field("rival", "str", "the other method", lambda it: it.pair.rival, "rival", place=-1),
    Field("seeds", "Int64", "the number of seeds", lambda it: len(it.differences)),
    Field("difference_points", "float64", "mean difference, reference minus rival, in points",
          lambda it: it.found.mean, "difference (points)", "+.2f"),
    Field("low", "float64", "its interval, with the variance of `spread`",
          lambda it: it.found.low, "{level} interval", cell=between("low", "high", "+.2f")),
    Field("high", "float64", "the upper end", lambda it: it.found.high),
    Field("p", "float64", "its p", lambda it: it.found.p, "p", ".2g"),
    Field("p_holm", "float64", "p adjusted by Holm over the settings of the pair",
          lambda it: it.p_holm, "Holm p", ".2g"),
    Field("sd", "float64", "standard deviation of the differences here", _sd, "sd", ".2f"),
    Field("pooled_sd", "float64", "the same pooled over the settings",
          lambda it: it.noise.spread.sd, "pooled sd", ".2f"),
    Field("spread", "str", "the one that the interval uses: pooled, or per setting",
          lambda it: it.noise.word, "spread"),
    Field("df", "Int64", "its degrees of freedom",
          lambda it: it.spread.df if it.noise.known else None),
    Field("smallest_sign_p", "float64", "the smallest p that a test of ranks or signs could reach",
          lambda it: smallest_p(len(it.differences)) if it.noise.known else np.nan),
    Field("note", "str", "values that cannot be computed, and why", lambda it: it.note),
)  # fmt: skip
"""The columns of the comparisons inside settings."""


def _note(data: DataFrame, plan: Plan) -> str:
    if data.empty:
        return nothing(plan)
    seeds = int(data["seeds"].max())
    if seeds < plan.interval_seeds:
        return f"{plan.reference} minus each rival inside a setting, n = {count(seeds, 'seed')}."
    n = count(seeds, "seed")
    return (
        f"{plan.reference} minus each rival inside a setting, n = {n} paired: "
        f"paired t; {SPREADS} p by Holm over the settings of the pair, bold below "
        f"{plan.alpha:g}. A test of ranks or signs on {n} could not give a p below "
        f"{smallest_p(seeds):.2g}, so none is shown."
    )
