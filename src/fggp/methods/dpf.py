"""Dynamic pruning with feedback."""

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import Field

from fggp.methods.registry import register
from fggp.pruning import Choose, Cubic, Largest, PerLayer, Recipe, Soft, magnitude


@register(paper="Lin et al. 2020, arXiv 2006.07253", starts="both", masking="soft")
def dpf(
    scope: Literal["global", "layer"] = "global",
    period: Annotated[int, Field(strict=True, ge=1)] = 16,
) -> Recipe:
    """Train all weights with the gradient of the masked network, and choose the masks repeatedly.

    Formula:
        w ← w − lr·∇L(m·w) for all weights; every period steps m ← the K_t largest |w| of all
        K_t = N − ⌊N·s_t + ½⌋, s_t = s + (s₀ − s)·(1 − p)³ as in gmp

    Every ``period`` steps the mask is set to the largest magnitudes among all weights, with the
    cubic schedule's count. Pruned weights are trained and decay like the others, and may return.
    This continues to the end of training, at the target count after the pruning window. The sparse
    start is an ERK mask over the initial weights, which the first choice replaces. With scope
    "layer" all layers have the same sparsity. No official code is known; 16 is the period reported
    for the paper.

    Args:
        scope: whether to choose over all layers, or in each layer at the same sparsity.
        period: number of steps between two choices of the mask.

    """
    select = Largest(magnitude)
    rule = Choose(PerLayer(select) if scope == "layer" else select)
    return Recipe(sparsity=Cubic, rule=rule, until=Fraction(1), period=period, soft=Soft())
