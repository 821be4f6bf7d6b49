"""Fixed-rate gradient-first gradual pruning."""

from fractions import Fraction

from fggp.methods.registry import Recipe, method
from fggp.ratio import Share
from fggp.rules import PruneTo, TwoStage, gradient, magnitude
from fggp.schedules import Constant, Cubic


@method(paper="Zhu, Bezek & Goksel 2024, arXiv 2411.05500", starts="both")
def fggp(rate: Share = Fraction(1, 2)) -> Recipe:
    """Protect by gradient first, fill up by magnitude next, at a fixed rate.

    This is an interpretation of the paper's abstract. Of the K weights to keep, K − ceil(rate·K)
    are those with the largest gradient; the rest have the largest magnitude among the others.
    The choice is made over all layers; nothing is grown. The sparse start is an ERK mask.
    """
    return Recipe(sparsity=Cubic, rule=PruneTo(TwoStage(gradient, magnitude, Constant(rate))))
