"""Power of the paired t test: the smallest difference that a design can detect."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from pandas import DataFrame

from fggp.foundation.errors import Failure


class Grid(NamedTuple):
    """A grid to compare two methods on, ``rivals`` of one reference.

    ``sd`` is that of the difference of two runs with one seed, over seeds inside a setting, in
    points; ``interaction`` that of the true difference over settings. ``df`` are the degrees of
    freedom of the mean over the grid if every setting has its own variance (Satterthwaite); without
    them, the variance is pooled.
    """

    sd: float
    seeds: int
    settings: int
    rivals: int
    interaction: float = 0.0
    df: float | None = None


LARGEST = 100.0
"""The largest possible difference of two accuracies, in points."""

FARTHEST = 2.0**23
"""Standard errors beyond which scipy's noncentral t distribution takes minutes, or is wrong."""

LEVELS = {
    "setting": "one setting, its own variance",
    "pooled": "one setting, variance pooled over settings",
    "grid": "mean over this grid",
    "over_settings": "mean over settings as a sample",
}


"""The levels of a difference. The first two are a family of settings, the others of rivals."""


def power_of(difference: float, se: float, df: float, alpha: float) -> float:
    """Return the power of a two-sided t test of size ``alpha`` for a true difference.

    Power is the chance that the difference is significant in its own direction. ``se`` is the
    standard error of the mean difference, with ``df`` degrees of freedom. NaN without degrees of
    freedom or spread.
    """
    from scipy.stats import nct, t

    if df < 1 or not se > 0:
        return np.nan
    return float(nct.sf(float(t.isf(alpha / 2, df)), df, abs(difference) / se))


def smallest_difference(se: float, df: float, alpha: float, power: float) -> float:
    """Return the true difference that is detected with ``power``; see `power_of` for the rest.

    Raises Failure where it cannot be computed, as for a very small ``alpha`` with few ``df``.
    """
    from scipy.optimize import brentq
    from scipy.stats import t

    if df < 1 or not se > 0:
        return np.nan

    def lacking(shift: float) -> float:
        found = power_of(shift, 1, df, alpha) - power
        if shift > FARTHEST or not np.isfinite([found, t.isf(alpha / 2, df)]).all():
            raise Failure(
                f"the smallest difference at level alpha = {alpha:.3g} with {df:.4g} degrees of "
                "freedom cannot be computed; choose a larger alpha or more seeds"
            )
        return found

    high = 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of scipy, which then returns NaN
        while lacking(high) < 0:
            high *= 2
        return se * float(brentq(lacking, 0, high, xtol=1e-10))


def smallest_differences(grid: Grid, alpha: float, power: float) -> DataFrame:
    """Return the smallest differences that a grid detects at each of `LEVELS`.

    Columns: ``level``, ``df``, ``difference`` in points at ``alpha``, ``family`` (the number of
    comparisons that Holm adjusts for) and ``difference_holm`` at ``alpha`` / family, the worst
    case; NaN above `LARGEST`, and for a pooled variance if each setting has its own.
    """
    seeds, settings = grid.seeds, grid.settings
    inside, whole = grid.sd / np.sqrt(seeds), settings * (seeds - 1)
    over = np.sqrt(grid.interaction**2 + inside**2) / np.sqrt(settings)
    table = {
        "setting": (inside, seeds - 1, settings),
        "pooled": (inside, whole if grid.df is None else 0, settings),
        "grid": (
            inside / np.sqrt(settings),
            whole if grid.df is None else grid.df,
            grid.rivals,
        ),
        "over_settings": (over, settings - 1, grid.rivals),
    }
    rows = [
        {
            "level": level,
            "df": df,
            "difference": _possible(smallest_difference(float(se), df, alpha, power)),
            "family": family,
            "difference_holm": _possible(smallest_difference(float(se), df, alpha / family, power)),
        }
        for level, (se, df, family) in table.items()
    ]
    return DataFrame(rows)


def _possible(difference: float) -> float:
    return difference if difference <= LARGEST else np.nan
