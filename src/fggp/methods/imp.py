"""Iterative magnitude pruning with rewinding."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Geometric, Largest, PruneTo, Recipe, Rounds, magnitude


@register(paper="Frankle & Carbin 2019, arXiv 1803.03635; Frankle et al. 2020", starts="one")
def imp(share: Share = Fraction(1, 5), rewind: Share = Fraction(0)) -> Recipe:
    """Train, prune over all layers by magnitude, go back to an early state, and train again.

    Formula:
        after training j = 1 … J: m ← the N·(K/N)^(j/J) largest |w| that are left, w ← w at rewind
        J the fewest rounds in which none removes more than share of what is left

    Every round is a whole training, so a cell costs 12, 15 or 19 of them at 90, 95 or 98 % (the
    dense one included). A round removes at most ``share`` of the weights that are left, and all
    rounds the same share, so that the last one meets the target; the official code removes
    ``share`` each time. ``rewind`` is the share of the first training after which its state is
    kept for the later ones to start from: 0 is the lottery ticket at initialisation.

    Args:
        share: largest share of the weights left that a round may remove.
        rewind: share of the first training after which its state is kept for the later ones.

    """
    rounds, rule = Rounds(share, rewind), PruneTo(Largest(magnitude))
    return Recipe(dense_start=True, sparsity=Geometric, rule=rule, rounds=rounds)
