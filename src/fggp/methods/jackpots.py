"""Lottery jackpots: subnetworks of the trained dense network, without training its weights."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import ChooseInLayers, LargestWeights, Recipe, Soft, value


@register(paper="Zhang et al. 2021, arXiv 2104.08700", starts="one", masking="soft")
def jackpots(margin: Share = Fraction(1, 100), floor: Share = Fraction(5, 1000)) -> Recipe:
    """Train a score for each weight of the trained dense network, but none of the weights.

    Formula:
        c = 1 for the K largest |w| over all layers, 1 − margin for the others; w stays as it is
        after every step: c ← c − lr·w·∇L(m·w); m ← the K_l largest c of each layer l

    The optimizer trains the scores c with the straight-through gradient of the mask, its momentum
    and its weight decay. All other parameters are fixed; batch normalization continues to update
    its statistics. Each layer keeps as many weights as it has among the K largest. The whole
    training is run once more, after the dense one. Differs from the official code on purpose: a
    floor prevents empty layers; the classifier is pruned like the other layers (``pruning.dense:
    [classifier]`` leaves it dense, as in that code); and there is no limit on the share of weights
    exchanged, which in that code is meant to fall and is 1 throughout.

    Args:
        margin: amount by which the scores of pruned weights start below those of kept ones.
        floor: minimum share of each layer to keep, by magnitude.

    """
    rule, soft = ChooseInLayers(value), Soft(margin=margin)
    return Recipe(
        initial=LargestWeights(floor), rule=rule, until=Fraction(1), period=1, soft=soft,
        fine_tune=Fraction(1), floor=floor,
    )  # fmt: skip
