"""A mixed model of all methods at once: a check of the paired comparisons, not a substitute."""

from __future__ import annotations

import warnings
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
    """Fit accuracy ~ method + (1 | setting) + (1 | setting:seed) + (1 | setting:method) by REML.

    The last term prevents seeds from counting as settings. Wald intervals; one variance for all
    settings. ``counts`` has the reference as an entry.
    """
    settings, seeds = counts.correct.shape[:2]
    if seeds < 2 or settings < 2:
        few = "1 seed" if seeds < 2 else "1 setting"
        return Mixed({}, f"not computable: {few}")
    try:
        fit = _fitted(counts, plan.reference)
    except (np.linalg.LinAlgError, ValueError) as error:
        return Mixed({}, f"not computable: {' '.join(str(error).split())[:80]}")
    if not fit.converged:
        return Mixed({}, "not computable: it does not converge")
    if not (np.isfinite(fit.errors).all() and (fit.errors > 0).all()):
        return Mixed({}, "not computable: no standard errors")
    rivals = [entry for entry in counts.entries if entry != plan.reference]
    contrasts = {
        rival: _wald(-float(effect), float(error), plan.alpha)
        for rival, effect, error in zip(rivals, fit.effects, fit.errors, strict=True)
    }
    return Mixed(contrasts, "a variance is at zero" if fit.warned else "")


class _Fit(NamedTuple):
    """Rivals minus reference with standard errors; ``warned`` of a boundary or a poor Hessian."""

    effects: Numbers
    errors: Numbers
    converged: bool
    warned: bool


def _fitted(counts: Counts, reference: str) -> _Fit:
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    settings, seeds, methods = counts.correct.shape
    accuracy = (counts.correct * counts.points).reshape(-1)
    setting, seed, method = (
        it.reshape(-1) for it in np.indices((settings, seeds, methods))
    )  # in the order of the values
    own = counts.entries.index(reference)
    others = [index for index in range(methods) if index != own]
    fixed = np.column_stack([np.ones(accuracy.size), *(method == it for it in others)])
    names, matrices = [], []
    for levels, number in ((seed, seeds), (method, methods)):
        indicators = [
            (levels[setting == it][:, None] == np.arange(number)).astype(float)
            for it in range(settings)
        ]
        matrices.append(indicators)
        names.append([[str(level) for level in range(number)]] * settings)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = MixedLM(
            accuracy - accuracy.mean(),
            fixed,
            setting,
            exog_re=np.ones((accuracy.size, 1)),  # without it there is no effect of the setting
            exog_vc=VCSpec(["seed", "method"], names, matrices),
        )
        found = model.fit(reml=True)
        effects, errors = (np.asarray(it)[1:] for it in (found.fe_params, found.bse_fe))
    return _Fit(effects, errors, bool(found.converged), bool(said))


def _wald(effect: float, error: float, alpha: float) -> Estimate:
    from scipy.stats import norm

    half = float(norm.isf(alpha / 2)) * error
    return Estimate(effect, effect - half, effect + half, float(2 * norm.sf(abs(effect) / error)))
