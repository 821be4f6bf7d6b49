"""The noise of seeds: one spread for all settings or one for each, by the check of the plan.

With fewer seeds than ``interval_seeds`` of the plan there is no estimate of the noise, and
therefore no interval, no p and no verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from fggp.analysis.plan import Plan
from fggp.analysis.stats.paired import Estimate, Numbers, Spread, pooled, satterthwaite
from fggp.analysis.stats.power import LARGEST
from fggp.foundation.exact import ratio
from fggp.foundation.quantities import count
from fggp.study.cell_name import Level, sparsity_level, start_level

Part = tuple[Level, NDArray[np.bool_]]
"""A backbone, sparsity or start, and which settings have it."""

SPREADS = (
    "its variance is pooled over the settings, or per setting (degrees of freedom after "
    "Satterthwaite) if the check of the plan for this pair (table tests, one spread for every "
    "backbone, sparsity or start) rejects one variance."
)
"""The source of the variance of intervals, for the notes of tables."""
KEYS = ["label", "backbone", "sparsity", "initial_sparsity"]
"""The columns that together name the trainings whose only difference is their seed."""
POOLED, OWN = "pooled", "per setting"
"""The words for one variance for all settings, and one for each."""


class SpreadCheck(NamedTuple):
    """Whether one variance is enough for every level of a kind, such as every backbone.

    Attributes:
        kind: backbone, sparsity or start.
        ratio: the largest standard deviation of a level over the smallest; infinite if that is 0.
        df: degrees of freedom of the two.
        p: of the F test of the two, adjusted by Bonferroni for all pairs of levels.
        sds: the standard deviation of each level by its name.

    """

    kind: str
    ratio: float
    df: tuple[float, float]
    p: float
    sds: dict[str, float]


class Noise(NamedTuple):
    """The noise of the differences of a pair between seeds.

    Attributes:
        spread: that of the mean over settings: the pooled standard deviation with its degrees of
            freedom, after Satterthwaite if ``own``.
        own: whether every setting has its own variance, because a common one was rejected.
        known: whether there are enough seeds to estimate it.

    """

    spread: Spread
    own: bool
    known: bool

    def inside(self, differences: Numbers) -> Spread:
        """Return the spread that applies to the differences inside one of the settings."""
        return pooled([differences]) if self.own and self.known else self.spread

    @property
    def word(self) -> str | None:
        """The words for the spread; None without one."""
        return (OWN if self.own else POOLED) if self.known else None


def margins(settings: DataFrame) -> list[Part]:
    """Return the parts of the settings by level, if there is more than one of a kind."""
    levels: dict[str, Callable[[Any], Level]] = {
        "backbone": lambda value: Level("backbone", str(value)),
        "sparsity": lambda value: sparsity_level(ratio(float(value))),
        "initial_sparsity": lambda value: start_level(ratio(float(value))),
    }
    found: list[Part] = []
    for key, level in levels.items():
        values = list(settings[key].dropna().unique()) if key in settings else []
        for value in values if len(values) > 1 else []:
            found.append((level(value), (settings[key] == value).to_numpy()))
    return found


def spread_checks(parts: Sequence[Part], differences: Sequence[Numbers]) -> Iterator[SpreadCheck]:
    """Yield the check of every kind whose levels all have two seeds, and one of them a spread.

    Takes the `margins` of the settings, and the differences of each setting over its seeds. A level
    without a spread, such as a sparsity at which all networks collapse, has p = 0.
    """
    from scipy.stats import f

    kinds: dict[str, dict[str, Spread]] = {}
    for level, part in parts:
        chosen = [it for it, inside in zip(differences, part, strict=True) if inside]
        kinds.setdefault(level.kind, {})[str(level)] = pooled(chosen)
    for kind, levels in kinds.items():
        low, high = (end(levels.values(), key=lambda it: it.sd) for end in (min, max))
        if not (all(it.df for it in levels.values()) and high.sd > 0):
            continue
        largest = high.sd / low.sd if low.sd else np.inf
        number = len(list(combinations(levels, 2)))
        p = min(1.0, 2 * number * float(f.sf(largest**2, high.df, low.df)))
        sds = {name: it.sd for name, it in levels.items()}
        yield SpreadCheck(kind, largest, (high.df, low.df), p, sds)


def noise(parts: Sequence[Part], differences: Sequence[Numbers], plan: Plan) -> Noise:
    """Return the noise of the differences of a pair, each setting a vector over its seeds.

    There is one variance for all settings, unless a check of ``parts``, the `margins` of the
    settings, has p below ``plan.alpha``.
    """
    there = [it for it in differences if len(it)]
    if min(map(len, there), default=0) < plan.interval_seeds:
        return Noise(Spread(np.nan, 0), own=False, known=False)
    own = any(it.p < plan.alpha for it in spread_checks(parts, differences))
    return Noise(satterthwaite(there) if own else pooled(there), own, known=True)


def possible(found: Estimate) -> Estimate:
    """Return an estimate in points, with its interval cut at ± `LARGEST`."""
    if np.isnan(found.low):
        return found
    return found._replace(low=max(-LARGEST, found.low), high=min(LARGEST, found.high))


def few_seeds(runs: DataFrame, plan: Plan) -> str:
    """Return the sentence that a study with too few seeds shows everywhere; empty with enough.

    The number of seeds is the smallest of any label in any setting of ``runs``, which are those
    that `fggp.analysis.compared_runs.compared` returns.
    """
    seeds = 0 if runs.empty else int(runs.groupby(KEYS, dropna=False)["seed"].nunique().min())
    if not 0 < seeds < plan.interval_seeds:
        return ""
    return (
        f"n = {count(seeds, 'seed')}: values only, without intervals, p values, bold type or "
        f"verdicts, because the noise between seeds needs at least {plan.interval_seeds} seeds."
    )
