"""Fixed-rate gradient-first gradual pruning."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import Field

from fggp.foundation.exact import Share, ratio
from fggp.methods.registry import register
from fggp.pruning import (
    ONE,
    ZERO,
    Cubic,
    Floored,
    PerLayer,
    Pool,
    PruneTo,
    Rate,
    RateSchedule,
    Recipe,
    Score,
    TwoStage,
    Weights,
    gradient,
    magnitude_at,
    of_active,
    of_kept,
    of_quota,
    rate_schedule,
)

HALF, TWO = Fraction(1, 2), Fraction(2)
AMOUNTS = {"kept": "rate", "active": "rho", "quota": "kappa"}
"""The setting that controls how much the second criterion decides, by pool."""
ENDS = {"kept": (0, 1), "active": (0, 1), "quota": (1,)}
"""Rates at which the first or the second criterion decides alone, by pool (quota: first only)."""
EARLIER = {"pool": "kept", "weights": "stepped"}
"""The settings of results that do not name their pool or their weights."""


@register(paper="Zhu, Bezek & Goksel 2025, arXiv 2411.05500", starts="both", earlier=EARLIER)
def fggp(
    *,
    rate: Rate = HALF,
    order: Literal["gradient-first", "magnitude-first"] = "gradient-first",
    pool: Literal["kept", "active", "quota"] = "active",
    rho: Rate = HALF,
    kappa: Rate = TWO,
    scope: Literal["global", "layer"] = "global",
    grow: Literal["none", "gradient"] = "none",
    gradient_steps: Annotated[int, Field(strict=True, ge=1)] = 1,
    floor: Share = ZERO,
    weights: Weights = "forward",
) -> Recipe:
    """Choose candidates by gradient, then prune among them by magnitude, at a fixed rate.

    Formula:
        C = the max(n − K_t, ⌈ρ·n⌉) of the n active weights with the smallest |g|
        m ← the active weights without the n − K_t of C with the smallest |w|; K_t as in gmp

    The default is the rule of the authors' code (see ``docs/fidelity.md``): the half of the active
    weights with the smallest gradients are candidates, and the candidates with the smallest
    magnitudes are pruned. Other settings are the authors' ablations or ours. The sparse start is an
    ERK mask.

    Args:
        rate: r, for pool "kept": the share of the kept weights decided by the second criterion; a
            number or a schedule, like ρ.
        order: the criterion applied first; magnitude-first chooses C by the smallest |w| and prunes
            by |g|, so that a rate of 1 is the gradient alone and 0 is gmp.
        pool: how the number of candidates is set: max(n − K, ⌈ρ·n⌉) (active), (n − K) + ⌈r·K⌉
            (kept), or min(n, ⌈κ·(n − K)⌉) (quota), for n active weights and K to keep.
        rho: ρ, for pool "active": the share of the active weights that are candidates; a number, or
            a cosine or linear schedule over the window or the training
            (`fggp.pruning.annealing.Annealed`). With gradient-first, 1 is gmp and 0 is the gradient
            alone.
        kappa: κ, for pool "quota": candidates per weight to prune, at least 1; a number or a
            schedule.
        scope: whether to prune over all layers, or within each layer, with K apportioned by active
            counts.
        grow: whether the gradient may reactivate weights during the window: the K − ⌈r·K⌉ weights
            with the largest |g| are then chosen among all weights, the others still among the
            active ones; requires order gradient-first and pool "kept".
        gradient_steps: number of most recent steps over which g, a signed mean, is taken; 1 uses
            the last step alone.
        floor: minimum share of each layer's weights to keep, by magnitude, before the rule decides
            the rest; prevents empty layers.
        weights: the |w| compared by the rule: those of the forward pass at which the gradient was
            computed (forward), as in the authors' code, or those after the optimizer step
            (stepped).

    """
    if grow == "gradient" and (order, pool) != ("gradient-first", "kept"):
        raise ValueError("grow: gradient requires order gradient-first and pool kept; set these")
    size, amount = _pool(pool, rate, rho, kappa)
    magnitude = magnitude_at(weights)
    criteria: tuple[Score, Score] = (gradient, magnitude)
    ordered = criteria if order == "gradient-first" else criteria[::-1]
    stages = TwoStage(*ordered, amount, size, grow == "gradient")
    select = PerLayer(stages) if scope == "layer" else stages
    rule = PruneTo(Floored(select, floor, magnitude) if floor else select)
    return Recipe(sparsity=Cubic, rule=rule, gradient_steps=gradient_steps, floor=floor)


def _pool(pool: str, rate: Rate, rho: Rate, kappa: Rate) -> tuple[Pool, RateSchedule]:
    """Return the pool and its rate; raises ValueError where a setting of another pool is given."""
    used = AMOUNTS[pool]
    settings = {"rate": (rate, HALF), "rho": (rho, HALF), "kappa": (kappa, TWO)}
    for name, (value, default) in settings.items():
        if name != used and value != default:
            raise ValueError(f"{name}: has no effect with pool {pool}; set {used} or another pool")
    if pool == "quota":
        return of_quota, rate_schedule("kappa", kappa, ONE, None)
    return {"kept": of_kept, "active": of_active}[pool], rate_schedule(used, settings[used][0])


def alone(settings: Mapping[str, Any]) -> str | None:
    """Return the criterion that decides alone, ``gradient`` or ``magnitude``; None where both do.

    ``settings`` are those of `fggp` in plain data, as in results and studies.
    """
    pool, order = settings["pool"], ["gradient", "magnitude"]
    amount = settings[AMOUNTS[pool]]
    if settings["order"] == "magnitude-first":
        order.reverse()
    ends = {} if isinstance(amount, dict) else dict(zip(ENDS[pool], order, strict=False))
    return next((criterion for end, criterion in ends.items() if ratio(amount) == end), None)
