"""Single-shot network pruning by connection sensitivity."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Recipe, Snip


@register(paper="Lee et al. 2019, arXiv 1810.02340", starts="one")
def snip(floor: Share = Fraction(0)) -> Recipe:
    """Keep the largest |gradient · weight| over all layers, once, before the first step.

    Formula:
        m = the K largest |g·w₀|, g = ∂L/∂w at w₀, the mean over batches

    The gradient is the mean over ``batches``, with batch normalization in training mode. ``floor``
    is the minimum share of each layer to keep, by the same score. Differs from the official code on
    purpose: biases are not pruned, weight decay is not part of the scored loss, the scored weights
    are those that are trained, and ties are broken by index.

    Args:
        floor: minimum share of the weights of each layer to keep, by the same score.

    """
    return Recipe(initial=Snip(floor), floor=floor)
