"""Gradient signal preservation."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from fggp.foundation.exact import Ratio
from fggp.methods.registry import register
from fggp.pruning import Grasp, Recipe


@register(paper="Wang et al. 2020, arXiv 2002.07376", starts="one")
def grasp(temperature: Annotated[Ratio, Field(gt=0)] = Fraction(200)) -> Recipe:
    """Remove the largest −w·(Hg) over all layers, once, before the first step.

    Formula:
        m = the K smallest −w₀·(H·g), g and H of L(outputs / temperature) at w₀

    Gradient g and Hessian H are those of the loss of outputs divided by ``temperature``, summed
    over the halves of every batch, with batch normalization in training mode. Differs from the
    official code on purpose: the classifier is scored with the weights that are trained, not with
    others drawn for the scoring; halves of unequal size count in proportion to their size; and the
    count is exact, with ties broken by index.

    Args:
        temperature: divisor of the outputs in the scored loss.

    """
    return Recipe(initial=Grasp(temperature))
