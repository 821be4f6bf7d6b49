"""Gradual pruning with neuroregeneration."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import (
    Cosine,
    Cubic,
    DropGrow,
    Largest,
    PruneTo,
    Recipe,
    Sequence,
    gradient,
    magnitude,
)


@register(paper="Liu et al. 2021, arXiv 2106.10404", starts="both")
def granet(
    drop_fraction: Share = Fraction(1, 2), final_drop_fraction: Share = Fraction(5, 1000)
) -> Recipe:
    """Prune by magnitude over all layers, then exchange weights inside each layer.

    Formula:
        m ← the K_t largest |w| of the active weights, K_t as in gmp; then in each layer
        drop the ⌈α_t·n_l⌉ smallest |w|, grow as many largest |g|; α_t as in rigl-itop

    The exchange drops by magnitude and grows by gradient; its share decreases along a cosine over
    the whole training, and exchanges continue after the pruning window. The sparse start is an ERK
    mask.

    Differs from the official code on purpose: the pruning differs as described for gmp; among equal
    magnitudes, no more weights are dropped than the share; where too few gradients differ from
    zero, a layer keeps its count, whereas the official growth then picks active weights and loses
    some; and the ERK mask has exact counts instead of a draw for each weight. With the official
    count and without ties, masks and weights agree with those of the official code.

    Args:
        drop_fraction: share of a layer's active weights dropped in the first exchange.
        final_drop_fraction: the same share at the end of the training.

    """
    exchange = DropGrow(magnitude, gradient, Cosine(drop_fraction, final_drop_fraction))
    rule = Sequence((PruneTo(Largest(magnitude)), exchange))
    return Recipe(sparsity=Cubic, rule=rule, until=Fraction(1))
