"""N:M sparsity by the sparse-refined straight-through estimator."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from fggp.foundation.exact import NonNegative
from fggp.methods.registry import register
from fggp.pruning import Choose, InGroups, InitialGroups, Recipe, Soft, magnitude


@register(
    paper="Zhou et al. 2021, arXiv 2102.04010",
    starts="one", ranks=False, masking="soft", exact=False, pattern="N:M",
)  # fmt: skip
def sr_ste(
    group: Annotated[int, Field(strict=True, ge=2)] = 64, pull: NonNegative = Fraction(1, 5000)
) -> Recipe:
    """Keep the N largest of every M weights along the input channels, chosen again at every step.

    Formula:
        m ← the N largest |w| of every M neighbours; w ← w − lr·(∇L(m·w) + λ·(1 − m)·w), λ = pull

    Pruned weights are trained with the gradient at the masked network, plus ``pull`` times their
    value, which pulls them to zero. There is one start, from the groups of the initial weights. It
    is not ranked: N:M is another kind of sparsity, and approximates a target without meeting it.

    Args:
        group: the largest M. M of a layer is the largest power of two up to this value that divides
            its number of input channels; N is M times the target density, rounded, at least 1. A
            layer with an odd number of input channels stays dense. The official code has one N:M
            for all layers.
        pull: λ of the paper; the default is that of its code.

    """
    rule, soft = Choose(InGroups(magnitude, group)), Soft(pull=pull)
    return Recipe(initial=InitialGroups(group), rule=rule, until=Fraction(1), period=1, soft=soft)
