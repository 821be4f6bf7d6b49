"""The steps of the analysis: each yields rows of the table of tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from pandas import DataFrame

from fggp.analysis.complete_grids import Counts, both_starts
from fggp.analysis.pairs import STARTS, Pair, grids, pairs
from fggp.analysis.plan import Plan
from fggp.analysis.spreads import margins, possible, spread_checks
from fggp.analysis.stats.mixed_model import mixed_model
from fggp.analysis.stats.paired import correlation, over_seeds, pooled, worthwhile_correlation
from fggp.analysis.stats.rank_tests import (
    critical_difference,
    friedman,
    iman_davenport,
    nemenyi_p,
    smallest_friedman_p,
)
from fggp.analysis.tables.comparisons import comparisons
from fggp.analysis.tables.formats import Row, records
from fggp.analysis.tables.leave_out import leave_out, verdict
from fggp.analysis.tables.per_setting import per_setting
from fggp.foundation.quantities import count

BELOW = "an approximation, below the smallest possible p"


def omnibus(runs: DataFrame, plan: Plan) -> Iterator[Row]:
    """Test whether the methods differ at all, once for each grid."""
    for blocks, counts in grids(runs):
        settings, methods = counts.ranks.shape
        smallest = smallest_friedman_p(settings, methods)
        chi2 = friedman(counts.sums)
        f = iman_davenport(chi2.statistic, settings, methods)
        why = ""
        if methods < 3:
            why = "not computable: 2 methods, see the rivals"
        elif np.isnan(chi2.statistic):
            why = "not computable: ties everywhere"
        alike = "not computable: 1 setting" if settings < 2 else "all settings rank alike: no bound"
        for name, measure, found, note in (
            ("Friedman, tie-corrected", "chi squared", chi2, why),
            ("Iman-Davenport", "F", f, why or (alike if np.isnan(f.statistic) else "")),
        ):
            yield _row(
                name,
                blocks,
                _grid(counts),
                measure=measure,
                value=found.statistic,
                df=", ".join(map(str, found.df)),
                p=found.p,
                smallest_p=np.nan if methods < 3 else smallest,
                note=note or (BELOW if found.p < smallest else ""),
            )


def rivals(runs: DataFrame, plan: Plan) -> Iterator[Row]:
    """The primary test: the reference against each rival over settings."""
    for it in records(comparisons(runs, plan)):
        yield _row(
            "Wilcoxon over settings, Holm",
            it["blocks"],
            f"{it['reference']} - {it['rival']}",
            measure="difference (points)",
            value=it["difference_points"],
            low=it["over_settings_low"],
            high=it["over_settings_high"],
            p=it["wilcoxon_p"],
            p_adjusted=it["wilcoxon_p_holm"],
            smallest_p=it["smallest_p_holm"],
            note=it["note"],
        )


def nemenyi(runs: DataFrame, plan: Plan) -> Iterator[Row]:
    """The conventional test: the critical difference of average ranks, and the differences."""
    for blocks, counts in grids(runs):
        settings, methods = counts.ranks.shape
        needed, largest = critical_difference(methods, settings, plan.alpha), methods - 1
        reach = f"the largest difference of {count(methods, 'method')}: {largest}"
        yield _row(
            "Nemenyi",
            blocks,
            _grid(counts),
            measure="critical difference of average ranks",
            value=needed if needed <= largest else np.nan,
            note=reach if needed <= largest else f"would be above {reach}",
        )
    for pair in pairs(runs, plan):
        settings, methods = pair.counts.ranks.shape
        average = dict(zip(pair.counts.entries, pair.counts.ranks.mean(axis=0), strict=True))
        difference = float(average[pair.reference] - average[pair.rival])
        yield _row(
            "Nemenyi",
            pair.blocks,
            _compared(pair),
            measure="difference of average ranks",
            value=difference,
            p_adjusted=nemenyi_p(difference, methods, settings),
            smallest_p=nemenyi_p(methods - 1, methods, settings),
            note="depends on which other methods are in the study",
        )


def inside_settings(runs: DataFrame, plan: Plan) -> Iterator[Row]:
    """Count the settings in which the reference is better, and those in which it is worse."""
    table = per_setting(runs, plan)
    for (blocks, reference, rival), part in table.groupby(
        ["blocks", "reference", "rival"], sort=False
    ):
        computed = part[part["p_holm"].notna()]
        sure = computed[computed["p_holm"] < plan.alpha]
        better, worse = ((sign * sure["difference_points"] > 0).sum() for sign in (1, -1))
        without = len(part) - len(computed)
        note = f"better in {better}, worse in {worse} of {count(len(computed), 'setting')}"
        if without:
            note += f"; no p in {count(without, 'setting')}: no spread between seeds"
        yield _row(
            "paired t inside settings, Holm",
            str(blocks),
            f"{reference} - {rival}",
            measure="settings better",
            value=np.nan if computed.empty else float(better),
            df=_degrees(part),
            note=part["note"].iloc[0] if computed.empty else note,
        )


def pairing(runs: DataFrame, plan: Plan) -> Iterator[Row]:
    """Check whether runs of one seed are alike, and one spread is enough for all settings."""
    for pair in pairs(runs, plan):
        own, other = (
            pair.counts.entry(it).astype(np.float64) for it in (pair.reference, pair.rival)
        )
        spread = pooled(list(pair.differences))
        rho = correlation(own, other)
        least = worthwhile_correlation(spread.df, plan.alpha)
        note = f"pairing helps above {least:.2f}" if spread.df else "not computable: 1 seed"
        if spread.df and np.isnan(rho):
            note = "not computable: no spread between seeds"
        yield _row(
            "seeds are paired", pair.blocks, _compared(pair), measure="correlation", value=rho,
            df=str(spread.df), note=note,
        )  # fmt: skip
        yield from _spreads(pair)


def _spreads(pair: Pair) -> Iterator[Row]:
    """Yield whether one variance is enough for all backbones, sparsities and starts."""
    for it in spread_checks(margins(pair.counts.settings), list(pair.differences)):
        yield _row(
            f"one spread for every {it.kind}",
            pair.blocks,
            _compared(pair),
            measure="ratio of sds",
            value=it.ratio,
            df=", ".join(format(df, "g") for df in it.df),
            p_adjusted=it.p,
            note=", ".join(f"{name} {sd:.2f}" for name, sd in it.sds.items()),
        )


def sensitivity(runs: DataFrame, plan: Plan) -> Iterator[Row]:
    """Check whether other models of the noise give the same differences."""
    both = both_starts(runs)
    if both is not None and plan.reference in both.entries:
        contrasts, note = mixed_model(both, plan)
        for rival in (entry for entry in both.entries if entry != plan.reference):
            found = contrasts.get(rival)
            yield _row(
                "mixed model", STARTS, f"{plan.reference} - {rival}",
                measure="difference (points)",
                **({} if found is None else _estimated(found)),
                note=note,
            )  # fmt: skip
    for pair in pairs(runs, plan):
        found = possible(over_seeds(pair.differences, plan.alpha))
        seeds = pair.differences.shape[1]
        why = "1 seed" if seeds < 2 else "no spread between seeds"
        yield _row(
            "t over the means of seeds", pair.blocks, _compared(pair),
            measure="difference (points)",
            **_estimated(found),
            df=str(seeds - 1),
            note=f"not computable: {why}" if np.isnan(found.p) else "",
        )  # fmt: skip


def left_out(runs: DataFrame, plan: Plan) -> Iterator[Row]:
    """Check whether the methods would rank alike on another grid."""
    table = leave_out(runs)
    if table.empty:
        return
    for kind in ("backbone", "setting"):
        yield _row(f"ranks without a {kind}", STARTS, "average ranks", note=verdict(table, kind))


def _row(test: str, blocks: str, compared: str, **found: Any) -> Row:
    return {"test": test, "blocks": blocks, "compared": compared, **found}


def _degrees(part: DataFrame) -> str:
    known = part["df"].dropna()
    return "" if known.empty else str(known.iloc[0])


def _estimated(found: tuple[float, float, float, float]) -> dict[str, float]:
    return dict(zip(("value", "low", "high", "p"), found, strict=True))


def _grid(counts: Counts) -> str:
    settings, methods = counts.ranks.shape
    once = len(set(counts.labels.values())) == methods
    by_start = "" if once else ", once per start"
    return f"{methods} methods{by_start}, {count(settings, 'setting')}"


def _compared(pair: Pair) -> str:
    return f"{pair.reference} - {pair.rival}"
