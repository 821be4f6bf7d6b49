"""Resampling of seeds for statistics without a formula for their noise: average ranks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fggp.analysis.complete_grids import Counts, ranked
from fggp.analysis.plan import Plan


class Resampled(NamedTuple):
    """For each entry, the interval of its average rank, and shares of resamples.

    ``first`` is the share of resamples with the best average rank, ``most`` that with the best
    accuracy in more than half of the settings. A shared place counts for no entry: with few
    settings most first places are shared, and two equal methods would both be first.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    first: NDArray[np.float64]
    most: NDArray[np.float64]


def resample(counts: Counts, plan: Plan) -> Resampled:
    """Resample the seeds of each setting, the same for all entries, and rank again.

    The percentile intervals are approximate: too narrow with few seeds, and most so for the entries
    near the top. NaN with fewer seeds than ``plan.fewest_seeds``. Seeds of different settings are
    drawn independently.
    """
    settings, seeds, entries = counts.correct.shape
    if seeds < plan.fewest_seeds:
        return Resampled(*(np.full(entries, np.nan) for _ in range(4)))
    generator = np.random.default_rng(plan.seed)
    averages, wins = [], []
    for part in np.array_split(np.arange(plan.resamples), max(1, plan.resamples // 1000)):
        drawn = generator.multinomial(
            seeds, np.full(seeds, 1 / seeds), size=(len(part), settings)
        )  # how often each seed is drawn
        sums = np.einsum("rsn,snk->rsk", drawn, counts.correct)
        averages.append(ranked(sums).mean(axis=1))
        wins.append(_alone(sums == sums.max(axis=2, keepdims=True)).mean(axis=1))
    average, share = np.concatenate(averages), np.concatenate(wins)
    low, high = np.quantile(average, [plan.alpha / 2, 1 - plan.alpha / 2], axis=0)
    # Averages of ranks are sums of halves: equal ones may differ in the last bit.
    first = average <= average.min(axis=1, keepdims=True) + 1e-9
    return Resampled(low, high, _alone(first).mean(axis=0), (share > 0.5).mean(axis=0))


def _alone(best: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the sole best entries; entries are in the last axis."""
    alone: NDArray[np.bool_] = best & (best.sum(axis=-1, keepdims=True) == 1)
    return alone
