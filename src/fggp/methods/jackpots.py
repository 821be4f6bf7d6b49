"""Lottery jackpots: subnetworks of the trained dense network, without training its weights."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import ChooseInLayers, LargestWeights, Recipe, Soft, value


@register(paper="Zhang et al. 2021, arXiv 2104.08700", starts="one", masking="soft")
def jackpots(margin: Share = Fraction(1, 100), floor: Share = Fraction(5, 1000)) -> Recipe:
    """Train a score for each weight of the trained dense network, and no weight.

    Formula:
        c = 1 for the K largest |w| over all layers, 1 − margin for the others; w stays as it is
        after every step: c ← c − lr·w·∇L(m·w); m ← the K_l largest c of each layer l

    The optimizer trains the scores c, with the gradient that passes straight through the mask, its
    momentum and its weight decay. All other parameters stay as they are; batch normalization goes
    on to count its statistics. Each layer keeps as many weights as it has among the K largest. The
    whole training is gone through once more, after the dense one. Differs from the official code on
    purpose: a floor keeps layers from going empty, and the classifier is pruned like the others
    (``pruning.dense: [classifier]`` leaves it dense, as there); and there is no limit on how many
    weights change places, which there is meant to fall and is 1 throughout.

    Args:
        margin: by how much the scores of pruned weights begin below those of kept ones.
        floor: least share of each layer that is kept, by magnitude.

    """
    rule, soft = ChooseInLayers(value), Soft(margin=margin)
    return Recipe(
        initial=LargestWeights(floor), rule=rule, until=Fraction(1), period=1, soft=soft,
        fine_tune=Fraction(1), floor=floor,
    )  # fmt: skip
