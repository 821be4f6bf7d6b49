"""Iterative magnitude pruning with rewinding."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Activating, Geometric, Largest, PruneTo, Recipe, Rounds, magnitude

PAPER = (
    "Frankle & Carbin 2019, arXiv 1803.03635; Frankle et al. 2020; activate: Liu et al. 2022, "
    "arXiv 2212.06145"
)


@register(paper=PAPER, starts="one", earlier={"activate": 0})
def imp(
    share: Share = Fraction(1, 5), rewind: Share = Fraction(0), activate: Share = Fraction(0)
) -> Recipe:
    """Train, prune by magnitude over all layers, rewind to an early state, and train again.

    Formula:
        after training j = 1 … J: m ← the N·(K/N)^(j/J) largest |w| that are left, w ← w at rewind
        J the fewest rounds in which none removes more than share of what is left
        the last share activate of those removed: the w < 0 with the smallest |w − w at rewind|

    Every round is a full training, so a cell costs 12, 15 or 19 trainings at 90, 95 or 98 %
    (including the dense one). A round removes at most ``share`` of the weights that are left, and
    all rounds remove the same share, so that the last one meets the target; the official code
    removes ``share`` each time. ``rewind`` is the share of the first training after which its state
    is stored as the start of the later ones: 0 is the lottery ticket at initialization.

    With ``activate`` this is AP, activating while pruning, which is meant to leave fewer dead
    neurons. Its official code has 1/10: of the 20 % that a round removes, 18 go by magnitude and
    then 2 in this way. The number removed here is exactly that share; that code removes one more,
    prunes scales of batch normalization too, and counts the weights before a bias twice in its
    percentile.

    Args:
        share: largest share of the remaining weights that a round may remove.
        rewind: share of the first training after which its state is stored for the later ones.
        activate: share of the weights removed in a round that is chosen by sign and movement.

    """
    select = Activating(magnitude, activate) if activate else Largest(magnitude)
    rounds, rule = Rounds(share, rewind), PruneTo(select)
    return Recipe(dense_start=True, sparsity=Geometric, rule=rule, rounds=rounds)
