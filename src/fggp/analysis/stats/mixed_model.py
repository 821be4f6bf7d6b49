"""A mixed model of all methods at once: a check of the paired comparisons, not a substitute."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fggp.analysis.complete_grids import Counts
from fggp.analysis.plan import Plan
from fggp.analysis.stats.paired import Estimate, Numbers


class Mixed(NamedTuple):
    """The reference minus each rival, by rival, and a note; empty if the note gives a reason."""

    contrasts: dict[str, Estimate]
    note: str


def mixed_model(counts: Counts, plan: Plan) -> Mixed:
    """Fit accuracy ~ method + setting + (1 | setting:seed) + (1 | setting:method) by REML.

    The last term prevents seeds from counting as settings. Wald intervals; one variance for all
    settings. ``counts`` has the reference as an entry.
    """
    settings, seeds = counts.correct.shape[:2]
    if seeds < 2 or settings < 2:
        few = "1 seed" if seeds < 2 else "1 setting"
        return Mixed({}, f"not computable: {few}")
    variance, at_zero = _between_means(counts)
    if not variance > ROUNDING:
        return Mixed({}, "not computable: no standard errors")
    error = counts.points * float(np.sqrt(2 * variance / (settings * seeds)))
    means = counts.correct.mean(axis=(0, 1)) * counts.points
    own = float(means[counts.entries.index(plan.reference)])
    contrasts = {
        entry: _wald(own - float(mean), error, plan.alpha)
        for entry, mean in zip(counts.entries, means, strict=True)
        if entry != plan.reference
    }
    return Mixed(contrasts, "a variance is at zero" if at_zero else "")


ROUNDING = 1e-9
"""In squared images; the variance of images that differ is far above it."""


def _between_means(counts: Counts) -> tuple[float, bool]:
    """Return the variance of a run, plus that of setting:method times the seeds.

    It is in squared images. The second value is whether some variance is at its bound, zero.

    In a complete grid REML needs no iteration: its estimates are the mean squares of the analysis
    of variance. One that is below that of a run would make a variance negative. The variance is
    then zero and the two are pooled, the smallest first (Thompson 1962, Annals of Mathematical
    Statistics 33, 273-289).
    """
    values = counts.correct.astype(np.float64)
    settings, seeds, methods = values.shape
    values -= values.mean(axis=(1, 2), keepdims=True)
    by_seed = values.mean(axis=2, keepdims=True)
    by_method = values.mean(axis=1, keepdims=True)
    run = _Squares(values - by_seed - by_method, settings * (seeds - 1) * (methods - 1))
    of_seeds = _Squares(by_seed, settings * (seeds - 1), methods)
    interaction = by_method - by_method.mean(axis=0)
    of_methods = _Squares(interaction, (settings - 1) * (methods - 1), seeds)
    total, df = run.total, run.df
    for more in sorted((of_seeds, of_methods), key=lambda it: it.mean):
        if more.mean < total / df:
            total, df = total + more.total, df + more.df
    return max(of_methods.mean, total / df), df > run.df


class _Squares:
    """The sum of squares of effects that ``runs`` runs share, its degrees of freedom and mean."""

    def __init__(self, effects: Numbers, df: int, runs: int = 1) -> None:
        self.total, self.df = runs * float((effects**2).sum()), df
        self.mean = self.total / df


def _wald(effect: float, error: float, alpha: float) -> Estimate:
    from scipy.stats import norm

    half = float(norm.isf(alpha / 2)) * error
    return Estimate(effect, effect - half, effect + half, float(2 * norm.sf(abs(effect) / error)))
