"""Tests of ranks over settings: whether methods differ, and the critical difference."""

from __future__ import annotations

from itertools import combinations
from math import factorial, log10
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from fggp.analysis.complete_grids import Counts
from fggp.analysis.plan import Plan
from fggp.analysis.stats.paired import holm, wilcoxon


class Statistic(NamedTuple):
    """A statistic with its degrees of freedom and its p; NaN if it cannot be computed."""

    statistic: float
    df: tuple[int, ...]
    p: float


def friedman(sums: NDArray[np.int64]) -> Statistic:
    """Return Friedman's test, corrected for ties, of settings × methods.

    NaN with fewer than three methods, which it does not accept, and if all methods tie in every
    setting.
    """
    from scipy import stats

    methods = sums.shape[1]
    if methods < 3 or (sums == sums[:, :1]).all():
        return Statistic(np.nan, (methods - 1,), np.nan)
    found = stats.friedmanchisquare(*sums.T)
    return Statistic(float(found.statistic), (methods - 1,), float(found.pvalue))


def iman_davenport(chi2: float, settings: int, methods: int) -> Statistic:
    """Return the F form of Friedman's test (Iman & Davenport 1980), with textbook df.

    NaN with one setting, and if the methods rank alike in every setting, so that F has no bound.
    """
    from scipy.stats import f

    df = (methods - 1, (methods - 1) * (settings - 1))
    room = settings * (methods - 1) - chi2
    if settings < 2 or np.isnan(chi2) or room < 1e-9:
        return Statistic(np.nan, df, np.nan)
    statistic = (settings - 1) * chi2 / room
    return Statistic(statistic, df, float(f.sf(statistic, *df)))


def smallest_friedman_p(settings: int, methods: int) -> float:
    """Return the chance that all settings rank alike, the smallest p of an exact test.

    The first setting may rank in any way; 0 below the smallest float.
    """
    exponent = -(settings - 1) * log10(factorial(methods))
    return float(10**exponent)


def critical_difference(methods: int, settings: int, alpha: float) -> float:
    """Return the critical difference of average ranks (Nemenyi; Demsar 2006, section 3.2.2)."""
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - alpha, methods, np.inf))
    return float(quantile / np.sqrt(2)) * _scale(methods, settings)


def nemenyi_p(difference: float, methods: int, settings: int) -> float:
    """Return Nemenyi's p of two average ranks, adjusted for all pairs of the pool."""
    from scipy.stats import studentized_range

    scaled = abs(difference) / _scale(methods, settings) * np.sqrt(2)
    return float(studentized_range.sf(scaled, methods, np.inf))


def all_pairs(counts: Counts, plan: Plan) -> DataFrame:
    """Return every pair of methods with both verdicts, as in a critical-difference diagram.

    Columns: ``first`` and ``second`` (the better average rank first), ``rank_difference``,
    ``nemenyi_p``, and ``wilcoxon_p`` with ``wilcoxon_p_holm`` over all pairs; ``nemenyi_together``
    and ``wilcoxon_together`` are true if they are not separated at ``plan.alpha``.
    """
    settings, methods = counts.ranks.shape
    average = counts.ranks.mean(axis=0)
    order = sorted(range(methods), key=lambda it: (average[it], counts.entries[it]))
    rows: list[dict[str, Any]] = []
    for one, other in combinations(order, 2):
        difference = float(average[other] - average[one])
        rows.append(
            {
                "first": counts.entries[one],
                "second": counts.entries[other],
                "rank_difference": difference,
                "nemenyi_p": nemenyi_p(difference, methods, settings),
                "wilcoxon_p": wilcoxon(counts.sums[:, one] - counts.sums[:, other]),
            }
        )
    table = DataFrame(rows)
    table["wilcoxon_p_holm"] = holm(table["wilcoxon_p"].to_list())
    table["nemenyi_together"] = table["nemenyi_p"] >= plan.alpha
    table["wilcoxon_together"] = table["wilcoxon_p_holm"] >= plan.alpha
    return table


def _scale(methods: int, settings: int) -> float:
    return float(np.sqrt(methods * (methods + 1) / (6 * settings)))
