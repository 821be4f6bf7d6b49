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

    The paper drops the smallest positive and the largest negative weights. If each sign is dropped
    in proportion to its share of the small weights, these are the smallest magnitudes.

    Differs from the code of Liu et al. 2021 (arXiv 2102.02887) on purpose: as many weights are
    grown as were dropped, whereas that code draws for each weight, so that its count varies; the
    share dropped is constant, as in the paper, whereas that code decreases it; and the ERK mask has
    exact counts. Without ties, the dropped weights are the same.

    Args:
        drop_fraction: share of a layer's active weights dropped in every exchange.

    """
    return Recipe(
        rule=DropGrow(magnitude, random_score, Constant(drop_fraction)), until=Fraction(1)
    )
