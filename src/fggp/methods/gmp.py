"""Gradual magnitude pruning."""

from fggp.methods.registry import Recipe, method
from fggp.rules import Largest, PruneTo, magnitude
from fggp.schedules import Cubic


@method(paper="Zhu & Gupta 2017, arXiv 1710.01878", starts="both")
def gmp() -> Recipe:
    """Prune the smallest magnitudes over all layers, step by step on a cubic schedule.

    The sparse start is an ERK mask that is pruned further, without regrowth.
    """
    return Recipe(sparsity=Cubic, rule=PruneTo(Largest(magnitude)))
