"""Sparse evolutionary training."""

from fractions import Fraction

from fggp.methods.registry import Recipe, method
from fggp.ratio import Share
from fggp.rules import DropGrow
from fggp.schedules import Constant
from fggp.update import chance, magnitude


@method(paper="Mocanu et al. 2018, arXiv 1707.04780", starts="one")
def set(drop_fraction: Share = Fraction(3, 10)) -> Recipe:
    """Drop by magnitude and grow at random inside each layer, at the target from the start.

    The paper drops the smallest positive and the largest negative weights; with as many of each
    dropped as their shares among the small ones, that is the smallest magnitudes. Counts are exact.
    """
    return Recipe(rule=DropGrow(magnitude, chance, Constant(drop_fraction)), until=Fraction(1))
