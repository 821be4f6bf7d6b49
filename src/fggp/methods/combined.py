"""Gradual pruning by one score that is made of magnitude and gradient."""

from fggp.methods.registry import register
from fggp.pruning import (
    SCORES,
    Combination,
    Cubic,
    Largest,
    PruneTo,
    Recipe,
    Weights,
    gradient,
    magnitude_at,
)


@register(paper="Zhu, Bezek & Goksel 2025, arXiv 2411.05500", starts="both")
def combined(*, score: Combination = "product", weights: Weights = "forward") -> Recipe:
    """Prune by one score made of magnitude and gradient, step by step, without regrowth.

    Formula:
        m ← the K_t active weights with the largest score; K_t as in gmp
        score = |g·w|, R(|w|) + R(|g|), or R(|w|)·R(|g|); R the rank among the active weights

    These are rivals of fggp in its authors' script: both criteria apply at once instead of one
    after the other. Ranks ascend from 1, and equal scores are ranked by index.

    The product agrees with the authors' code except for ties. Their code for ranks differs: it adds
    or multiplies the indices that sort the two scores, which are not ranks, and uses the magnitude
    for both of them. This method follows the description of their settings instead.

    Args:
        score: the product of |w| and |g|, or the sum or the product of their ranks.
        weights: w of the forward pass at which g was computed, or after the optimizer step.

    """
    both = SCORES[score](magnitude_at(weights), gradient)
    return Recipe(sparsity=Cubic, rule=PruneTo(Largest(both)))
