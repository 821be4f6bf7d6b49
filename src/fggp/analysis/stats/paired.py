"""Statistics of paired differences: numbers in, numbers out; values not computable are NaN.

Two questions are kept separate. E1: does A beat B on this fixed grid? The noise is that of seeds.
E2: would the answer carry over to other settings? The noise is that of settings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


class Estimate(NamedTuple):
    """A mean with its interval and its two-sided p against zero."""

    mean: float
    low: float
    high: float
    p: float


class Spread(NamedTuple):
    """A standard deviation pooled over settings, and its degrees of freedom."""

    sd: float
    df: float


def pooled(settings: Sequence[Numbers]) -> Spread:
    """Pool the variance between seeds over settings, each a vector over its seeds.

    The standard deviation is NaN with 0 degrees of freedom if no setting has two seeds.
    """
    _refuse_nan(settings)
    df = sum(len(it) - 1 for it in settings if len(it))
    # The mean of equal numbers can differ from them by rounding, which would count as spread.
    uneven = [it for it in settings if len(it) and np.ptp(it)]
    squares = sum(float(((it - it.mean()) ** 2).sum()) for it in uneven)
    return Spread(float(np.sqrt(squares / df)) if df else np.nan, df)


def satterthwaite(settings: Sequence[Numbers]) -> Spread:
    """Return the spread of the mean over settings that each have a variance.

    The standard deviation is `pooled`, and has fewer degrees of freedom, after Satterthwaite (1946,
    Biometrics Bulletin 2, 110-114). With unequal numbers of seeds it is that of equal weights.
    There are 0 degrees of freedom if a setting has one seed, or none has a spread.
    """
    seeds = np.array([len(it) for it in settings])
    if (seeds < 2).any():
        return Spread(np.nan, 0)
    of_means = np.array([pooled([it]).sd ** 2 for it in settings]) / seeds
    variance = float(of_means.sum())
    if not variance:
        return Spread(0.0, 0)
    df = variance**2 / float((of_means**2 / (seeds - 1)).sum())
    return Spread(float(np.sqrt(variance * seeds.sum())) / len(settings), df)


def estimate(mean: float, se: float, df: float, alpha: float) -> Estimate:
    """Return a t interval of level 1 − ``alpha``; without degrees of freedom or spread, NaN."""
    from scipy.stats import t

    if df < 1 or not se > 0:
        return Estimate(mean, np.nan, np.nan, np.nan)
    half = float(t.isf(alpha / 2, df)) * se
    return Estimate(mean, mean - half, mean + half, float(2 * t.sf(abs(mean) / se, df)))


def on_the_grid(differences: Numbers, alpha: float, spread: Spread | None = None) -> Estimate:
    """E1 of settings × seeds, with a ``spread`` of seeds inside settings.

    Without one it is `pooled` over the settings, with settings · (seeds − 1) degrees of freedom.
    """
    spread = spread or pooled(list(differences))
    se = spread.sd / np.sqrt(differences.size)
    return estimate(float(differences.mean()), float(se), spread.df, alpha)


def own_spreads(differences: Numbers, alpha: float) -> Estimate:
    """E1 of settings × seeds: a variance per setting, degrees of freedom after Satterthwaite.

    For settings whose spreads differ, where one pooled variance makes the interval too narrow.
    """
    return on_the_grid(differences, alpha, satterthwaite(list(differences)))


def over_settings(differences: Numbers, alpha: float) -> Estimate:
    """E2 of settings × seeds: t over the means of the settings."""
    means = differences.mean(axis=1)
    spread = pooled([means])
    return estimate(float(means.mean()), spread.sd / np.sqrt(len(means)), spread.df, alpha)


def over_seeds(differences: Numbers, alpha: float) -> Estimate:
    """E1 of settings × seeds by the means of the seeds: these may correlate over settings."""
    return over_settings(differences.T, alpha)


def wilcoxon(differences: NDArray[np.int64]) -> float:
    """Return the exact two-sided p of Wilcoxon's signed-rank test, also with ties; zeros drop out.

    Takes integers, such as differences of correct images, so that ties are exact.
    """
    _refuse_nan([differences])
    doubled = np.rint(2 * _signed_ranks(differences)).astype(np.int64)  # whole, also with ties
    chances = np.ones(1)  # of every sum of the positive ones, if each sign is random
    for rank in np.abs(doubled):
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    found = doubled[doubled > 0].sum()
    return min(1.0, 2 * float(min(chances[: found + 1].sum(), chances[found:].sum())))


def smallest_p(number: int, family: int = 1) -> float:
    """Return the smallest two-sided p of ``number`` signs, or ranks, after Holm for ``family``."""
    return min(1.0, family * 2.0 ** (1 - number))


def number_needed(alpha: float, family: int = 1) -> int:
    """Return the smallest number of pairs for which `smallest_p` is below ``alpha``."""
    return next(n for n in range(1, 1100) if smallest_p(n, family) < alpha)


def holm(ps: Sequence[float]) -> list[float]:
    """Adjust a family of p by Holm's method; raises ValueError on NaN."""
    from statsmodels.stats.multitest import multipletests

    _refuse_nan([np.asarray(ps)])
    return [float(p) for p in multipletests(ps, method="holm")[1]] if len(ps) else []


def practical(
    differences: Numbers, rope: float, spread: Spread | None = None
) -> tuple[float, float, float]:
    """Return the chances that the mean over the grid is above, within and below ± ``rope``.

    They are those of the posterior of E1 under a flat prior, which is a t distribution (with a
    spread per setting, Satterthwaite's approximation); NaN if E1 has no interval. ``spread`` is as
    in `on_the_grid`.
    """
    from scipy.stats import t

    spread = spread or pooled(list(differences))
    if spread.df < 1 or not spread.sd > 0:
        return (np.nan, np.nan, np.nan)
    se, mean = spread.sd / np.sqrt(differences.size), differences.mean()
    above = float(t.sf((rope - mean) / se, spread.df))
    below = float(t.cdf((-rope - mean) / se, spread.df))
    return above, max(0.0, 1 - above - below), below


def surest_rival(
    values: Numbers, alpha: float, spread: Callable[[Numbers], Spread] | None = None
) -> Numbers:
    """Return, for each entry, the Bonferroni-adjusted p that some other entry is better.

    It is the smallest two-sided p of E1 of the entries ahead of it, times the number of all others;
    1 if none is ahead with a spread between seeds, NaN with one seed. ``spread`` computes the
    spread of differences; the default is `pooled`.
    """
    _, seeds, entries = values.shape
    if seeds < 2:
        return np.full(entries, np.nan)
    smallest = np.ones(entries)
    for own in range(entries):
        for lead in np.moveaxis(values - values[:, :, [own]], 2, 0):
            if lead.mean() > 0:  # NaN, without a spread, is no evidence
                p = on_the_grid(lead, alpha, spread(lead) if spread else None).p
                smallest[own] = np.fmin(smallest[own], (entries - 1) * p)
    return smallest


def correlation(a: Numbers, b: Numbers) -> float:
    """Return the correlation of two methods over seeds, settings × seeds, pooled over settings."""
    _refuse_nan([a, b])
    x, y = (it - it.mean(axis=1, keepdims=True) for it in (a, b))
    scale = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum() / scale) if scale else np.nan


def worthwhile_correlation(df: float, alpha: float = 0.05) -> float:
    """Return the correlation above which pairing (``df``) beats not pairing (twice as many)."""
    from scipy.stats import t

    return float(1 - (t.isf(alpha / 2, 2 * df) / t.isf(alpha / 2, df)) ** 2) if df else np.nan


def _signed_ranks(differences: NDArray[np.int64]) -> Numbers:
    from scipy.stats import rankdata

    kept = differences[differences != 0]
    ranks: Numbers = np.sign(kept) * rankdata(np.abs(kept))
    return ranks


def _refuse_nan(parts: Sequence[NDArray[np.float64] | NDArray[np.int64]]) -> None:
    if any(np.isnan(part).any() for part in parts):
        raise ValueError("a value is missing; paired statistics need a complete grid")
