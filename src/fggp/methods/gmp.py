"""Gradual magnitude pruning."""

from typing import Literal

from fggp.methods.registry import register
from fggp.pruning.mask_update import magnitude
from fggp.pruning.recipe import Recipe
from fggp.pruning.rules import PruneTo
from fggp.pruning.schedules import Cubic
from fggp.pruning.selections import Largest, PerLayer


@register(paper="Zhu & Gupta 2017, arXiv 1710.01878", starts="both")
def gmp(scope: Literal["global", "layer"] = "global") -> Recipe:
    """Prune the smallest magnitudes step by step on a cubic schedule, without regrowth.

    Formula:
        m ← the K_t largest |w| of the active weights; K_t = N − ⌊N·s_t + ½⌋
        s_t = s + (s₀ − s)·(1 − p)³, p the share of the pruning window

    The sparse start is an ERK mask that is pruned further. With scope "layer" every layer keeps
    its share of the active weights, as in the paper; "global" is what GraNet compares with.

    Differs from the official code of GraNet on purpose: that keeps one or two weights fewer at
    every update, because of a strict threshold and a count rounded down, and all equal weights at
    the threshold go; its last update is the one before the end of the window; and it starts dense
    whatever the initial sparsity. Without ties the weights it keeps are among those kept here.
    """
    select = Largest(magnitude)
    return Recipe(sparsity=Cubic, rule=PruneTo(PerLayer(select) if scope == "layer" else select))
