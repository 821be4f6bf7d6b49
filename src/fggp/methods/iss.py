"""Iterative soft shrinkage."""

from fractions import Fraction
from typing import Literal

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import (
    Choose,
    Constant,
    Cubic,
    Largest,
    PerLayer,
    Recipe,
    Sequence,
    Shrink,
    Soft,
    clear,
    magnitude,
)


@register(paper="Wang et al. 2023, arXiv 2303.09650", starts="both", masking="soft")
def iss(shrink: Share = Fraction(1, 20), scope: Literal["global", "layer"] = "global") -> Recipe:
    """Shrink the smallest weights a little after every step; prune them when the window ends.

    Formula:
        after every step: w ← (1 − shrink)·w outside the K_t largest |w|; K_t as in gmp
        when the window ends: m = the K largest |w|, for good

    After each step, all weights except the largest magnitudes lose the share ``shrink`` of their
    value; the cubic schedule sets the number of these exceptions. The network computes with all
    weights until the window ends; the smallest are then pruned for good. The sparse start is an ERK
    mask: weights off it start at zero. Differs from the official code on purpose: that code shrinks
    the target's share from the first step on, the same in each layer, and has only one start. The
    default of ``shrink`` is that of its commands.

    Args:
        shrink: share of its value that a weight outside the mask loses in a step.
        scope: whether to choose over all layers, or in each layer at the same sparsity.

    """
    select = Largest(magnitude)
    choose = Choose(PerLayer(select) if scope == "layer" else select)
    rule, soft = Sequence((choose, Shrink(shrink))), Soft(leak=Constant(Fraction(1)))
    return Recipe(begin=clear, sparsity=Cubic, rule=rule, period=1, soft=soft)
