"""Rigging the lottery."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Cosine, DropGrow, Recipe, gradient, magnitude


@register(paper="Evci et al. 2020, arXiv 1911.11134", starts="one")
def rigl(drop_fraction: Share = Fraction(3, 10), until: Share = Fraction(3, 4)) -> Recipe:
    """Drop by magnitude and grow by gradient inside each layer, at the target from the start.

    Formula:
        in each layer: drop the ⌈α_t·n_l⌉ smallest |w| of n_l, grow as many largest |g|
        α_t = α/2·(1 + cos(π·t / until)), t the share of the training, α = drop_fraction

    The share dropped follows a cosine to zero; the cosine and the updates end after ``until`` of
    the training. Differs from the official code on purpose: the optimizer step of an update is not
    skipped, ties are broken by index instead of by noise, and the number dropped is rounded up.

    Args:
        drop_fraction: share of a layer's active weights dropped in the first exchange.
        until: share of the training after which exchanges end.

    """
    fraction = Cosine(drop_fraction, Fraction(0), over=until)
    return Recipe(rule=DropGrow(magnitude, gradient, fraction), until=until)
