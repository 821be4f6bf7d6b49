"""RigL with in-time over-parameterisation."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Cosine, DropGrow, Recipe, gradient, magnitude


@register(paper="Liu et al. 2021, arXiv 2102.02887", starts="one")
def rigl_itop(
    drop_fraction: Share = Fraction(1, 2),
    final_drop_fraction: Share = Fraction(5, 1000),
    every: Annotated[int, Field(strict=True, ge=1)] = 4,
) -> Recipe:
    """Explore as in RigL, with less frequent and larger exchanges until the end of training.

    Formula:
        in each layer: drop the ⌈α_t·n_l⌉ smallest |w| of n_l, grow as many largest |g|
        α_t = β + (α − β)/2·(1 + cos(π·t)), from α = drop_fraction to β = final_drop_fraction

    An exchange is made at every fourth mask update of the study (every 4000 steps in the standard
    protocol), so that a grown weight has time to prove itself.

    Differs from the official code on purpose: among equal magnitudes, no more weights are dropped
    than the share; a layer keeps its count where too few gradients differ from zero; and the ERK
    mask has exact counts instead of a draw for each weight. Otherwise an exchange is the same.

    Args:
        drop_fraction: share of a layer's active weights dropped in the first exchange.
        final_drop_fraction: the same share at the end of the training.
        every: number of mask updates of the study per exchange.

    """
    fraction = Cosine(drop_fraction, final_drop_fraction)
    return Recipe(rule=DropGrow(magnitude, gradient, fraction), until=Fraction(1), every=every)
