"""Sparse evolutionary training."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Constant, DropGrow, Recipe, magnitude, random_score


@register(paper="Mocanu et al. 2018, arXiv 1707.04780", starts="one")
def set(drop_fraction: Share = Fraction(3, 10)) -> Recipe:
    """Drop by magnitude and grow at random inside each layer, at the target from the start.

    Formula:
        in each layer: drop the ⌈α·n_l⌉ smallest |w| of n_l, grow as many at random
        α = drop_fraction

    The paper drops the smallest positive and the largest negative weights; with as many of each
    dropped as their shares among the small ones, that is the smallest magnitudes.

    Differs from the code of Liu et al. 2021 (arXiv 2102.02887) on purpose: as many weights are
    grown as were dropped, where that draws for each weight, so that its count wanders; the share
    dropped is constant, as in the paper, where that lets it fall; and the ERK mask has exact
    counts. Without ties the weights dropped are the same.

    Args:
        drop_fraction: share of a layer's active weights that every exchange drops.

    """
    return Recipe(
        rule=DropGrow(magnitude, random_score, Constant(drop_fraction)), until=Fraction(1)
    )
