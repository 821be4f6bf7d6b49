"""RigL with in-time over-parameterisation."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from fggp.methods.registry import Recipe, method
from fggp.ratio import Share
from fggp.rules import DropGrow
from fggp.schedules import Cosine
from fggp.update import gradient, magnitude


@method(paper="Liu et al. 2021, arXiv 2102.02887", starts="one")
def rigl_itop(
    drop_fraction: Share = Fraction(1, 2),
    final_drop_fraction: Share = Fraction(5, 1000),
    every: Annotated[int, Field(strict=True, ge=1)] = 4,
) -> Recipe:
    """Explore as RigL does, with rarer and larger exchanges until the end of training.

    An exchange is made at every fourth mask update of the study (every 4000 steps in the standard
    protocol), so that a grown weight has time to prove itself.
    """
    fraction = Cosine(drop_fraction, final_drop_fraction)
    return Recipe(rule=DropGrow(magnitude, gradient, fraction), until=Fraction(1), every=every)
