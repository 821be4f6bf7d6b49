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
    """Keep the N largest of every M weights along the input channels, and fade out the others.

    Formula:
        m ← the N largest |w| of every M neighbours; the network computes with (m + β·(1 − m))·w
        β = 1 − p, p the share of the pruning window

    The network computes with pruned weights times β, which falls linearly from 1 to 0 over the
    pruning window, and their gradient is multiplied by β too. The groups (as in sr-ste) are chosen
    again at every step of the window and are fixed after it. This is one reading of the paper's
    mask decay: its abstract does not state the form of the decay, or whether the choice continues.

    Args:
        group: M, the number of weights in a group along the input channels.

    """
    rule = Choose(InGroups(magnitude, group))
    soft = Soft(leak=Linear(Fraction(1), Fraction(0)), straight=False)
    return Recipe(initial=InitialGroups(group), rule=rule, period=1, soft=soft)
