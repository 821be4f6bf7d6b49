"""Gradual magnitude pruning."""

from typing import Literal

from fggp.methods.registry import register
from fggp.pruning import Cubic, Largest, PerLayer, PruneTo, Recipe, Weights, magnitude_at


@register(paper="Zhu & Gupta 2017, arXiv 1710.01878", starts="both")
def gmp(scope: Literal["global", "layer"] = "global", weights: Weights = "stepped") -> Recipe:
    """Prune the smallest magnitudes step by step on a cubic schedule, without regrowth.

    Formula:
        m ← the K_t largest |w| of the active weights; K_t = N − ⌊N·s_t + ½⌋
        s_t = s + (s₀ − s)·(1 − p)³, p the share of the pruning window

    The sparse start is an ERK mask that is pruned further. With scope "layer" every layer keeps
    its share of the active weights, as in the paper; "global" is the variant that GraNet compares
    with. The magnitudes are those after the optimizer step, as in the official code, or those of
    the forward pass (weights "forward"), as in fggp by default.

    Differs from the official code of GraNet on purpose: that code keeps one or two weights fewer at
    every update, because of a strict threshold and a count rounded down, and removes all equal
    weights at the threshold; its last update is the one before the end of the window; and it starts
    dense whatever the initial sparsity. Without ties, the weights it keeps are a subset of those
    kept here.

    Args:
        scope: whether to prune over all layers, or in each layer by its share of the active
            weights.
        weights: the |w| compared: after the optimizer step (stepped), or in the forward pass before
            it (forward).

    """
    select = Largest(magnitude_at(weights))
    return Recipe(sparsity=Cubic, rule=PruneTo(PerLayer(select) if scope == "layer" else select))
