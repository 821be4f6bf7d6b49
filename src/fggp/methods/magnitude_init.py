"""Magnitude pruning before training."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Floored, Largest, PruneTo, Recipe, everything, magnitude


@register(paper="Frankle et al. 2021, arXiv 2009.08576", starts="one")
def magnitude_init(floor: Share = Fraction(5, 1000)) -> Recipe:
    """Keep the largest initial magnitudes over all layers, once, before the first step.

    Formula:
        m = the ⌈floor·N_l⌉ largest |w₀| of each layer l, and the largest of all others, K in all

    The scale of a layer's initial weights depends on its initialization, and without a floor whole
    layers are lost. Differs from the paper on purpose: ceil(floor·N_l) of the N_l weights of each
    layer are kept first; with ``floor`` 0 none are.

    Args:
        floor: minimum share of the weights of each layer to keep, by magnitude.

    """
    keep = PruneTo(Floored(Largest(magnitude), floor))
    return Recipe(initial=everything, begin=keep, floor=floor)
