"""N:M sparsity by a mask that decays."""

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from fggp.methods.registry import register
from fggp.pruning import Choose, InGroups, InitialGroups, Linear, Recipe, Soft, magnitude


@register(
    paper="Kao et al. 2022, arXiv 2209.07617",
    starts="one", ranks=False, masking="soft", exact=False, pattern="N:M",
)  # fmt: skip
def decaying_mask(group: Annotated[int, Field(strict=True, ge=2)] = 64) -> Recipe:
    """Keep the N largest of every M weights along the input channels, the others ever fainter.

    Formula:
        m ← the N largest |w| of every M neighbours; the network computes with (m + β·(1 − m))·w
        β = 1 − p, p the share of the pruning window

    The network computes with pruned weights times β, which falls on a straight line from 1 to 0
    over the pruning window, and they get β times the gradient. The groups (as in sr-ste) are chosen
    anew at every step of the window and stay after it. One way to read the paper's mask decay:
    its form of the decay, and whether the choice goes on, are not stated in its abstract.

    Args:
        group: M, the weights of a group along the input channels.

    """
    rule = Choose(InGroups(magnitude, group))
    soft = Soft(leak=Linear(Fraction(1), Fraction(0)), straight=False)
    return Recipe(initial=InitialGroups(group), rule=rule, period=1, soft=soft)
