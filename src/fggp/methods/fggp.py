"""Fixed-rate gradient-first gradual pruning."""

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from fggp.methods.registry import method
from fggp.rates import ONE, ZERO, Course, Rate, course
from fggp.ratio import Share
from fggp.recipe import Recipe
from fggp.rules import PruneTo
from fggp.schedules import Cubic
from fggp.selecting import Floored, PerLayer, Pool, TwoStage, of_active, of_kept, of_quota
from fggp.update import gradient, magnitude

HALF, TWO = Fraction(1, 2), Fraction(2)


@method(paper="Zhu, Bezek & Goksel 2024, arXiv 2411.05500", starts="both")
def fggp(
    *,
    rate: Rate = HALF,
    order: Literal["gradient-first", "magnitude-first"] = "gradient-first",
    pool: Literal["kept", "active", "quota"] = "kept",
    rho: Rate = HALF,
    kappa: Rate = TWO,
    scope: Literal["global", "layer"] = "global",
    grow: Literal["none", "gradient"] = "none",
    gradient_steps: Annotated[int, Field(strict=True, ge=1)] = 1,
    floor: Share = ZERO,
) -> Recipe:
    """Protect by gradient first, fill up by magnitude next, at a fixed rate.

    Formula:
        G = the K_t − ⌈r·K_t⌉ largest |g| of the active weights
        m ← G and the ⌈r·K_t⌉ largest |w| of the other active weights; K_t as in gmp

    This is an interpretation of the paper's abstract; what it leaves open is a setting. Of the K
    weights to keep, K − ceil(rate·K) are those with the largest gradient; the rest have the largest
    magnitude among the other active ones. The sparse start is an ERK mask.

    Args:
        rate: r, the share of the kept weights that the second criterion decides: a number, or a
            schedule (`fggp.rates.Annealed`), cosine or linear, over the window or the training.
            Gradient first, 1 is gmp and 0 the gradient alone.
        order: which criterion comes first; magnitude-first takes G by the largest |w| and fills up
            by |g|, so that 1 is the gradient alone and 0 gmp.
        pool: what the candidates of the second criterion are counted by. Of n active weights n − K
            are pruned; they and the places that the second criterion fills are the pool, of
            (n − K) + ⌈r·K⌉ weights (kept), max(n − K, ⌈ρ·n⌉) (active), or min(n, ⌈κ·(n − K)⌉)
            (quota).
        rho: ρ, pool "active": the share of the active weights that are candidates; a rate as r.
        kappa: κ, pool "quota": candidates per weight to prune, at least 1; a rate as r.
        scope: over all layers, or in each, K shared out by active counts.
        grow: whether the gradient may bring weights back while the window lasts: G is then taken
            over all places, the fill still over active weights; for the order gradient-first and
            the pool "kept".
        gradient_steps: of the last so many steps g is the mean with its sign; 1 is the last alone.
        floor: least share of a layer's weights to keep, by magnitude, before the rule takes the
            rest; against layers that are emptied.

    """
    if grow == "gradient" and (order, pool) != ("gradient-first", "kept"):
        raise ValueError("grow: gradient goes with order gradient-first and pool kept; set none")
    size, amount = _pool(pool, rate, rho, kappa)
    criteria = (gradient, magnitude) if order == "gradient-first" else (magnitude, gradient)
    stages = TwoStage(*criteria, amount, size, grow == "gradient")
    select = PerLayer(stages) if scope == "layer" else stages
    return Recipe(
        sparsity=Cubic,
        rule=PruneTo(Floored(select, floor) if floor else select),
        gradient_steps=gradient_steps,
        floor=floor,
    )


def _pool(pool: str, rate: Rate, rho: Rate, kappa: Rate) -> tuple[Pool, Course]:
    """Return the pool and its rate; raises ValueError where a setting of another pool is given."""
    used = {"kept": "rate", "active": "rho", "quota": "kappa"}[pool]
    settings = {"rate": (rate, HALF), "rho": (rho, HALF), "kappa": (kappa, TWO)}
    for name, (value, default) in settings.items():
        if name != used and value != default:
            raise ValueError(f"{name}: has no effect with pool {pool}; set {used} or another pool")
    if pool == "quota":
        return of_quota, course("kappa", kappa, ONE, None)
    return {"kept": of_kept, "active": of_active}[pool], course(used, settings[used][0])
