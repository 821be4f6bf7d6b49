"""Deep rewiring."""

from fractions import Fraction
from typing import Literal

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Recipe, Rewire, fix_signs


@register(paper="Bellec et al. 2018, arXiv 1711.05136", starts="one")
def deep_r(
    drift: Share = Fraction(1, 10**5),
    noise: Share = Fraction(1, 10**5),
    scope: Literal["global", "layer"] = "global",
) -> Recipe:
    """Fix every weight's sign; deactivate weights that would change it, activate as many at random.

    Formula:
        θ = s·w, s a fixed random sign; θ ← θ + lr·(noise·z − drift), z from N(0, 1)
        where θ ≤ 0 the weight is deactivated, and as many are activated at random with θ = 10⁻¹²

    After every step the active weights drift toward zero and get Gaussian noise, both scaled by the
    learning rate; the number of active weights stays exact. Weights start with their initial
    magnitudes and random signs. Differs from the official code on purpose: the weights to activate
    are drawn uniformly from all inactive ones (scope "layer": from those of the same layer),
    whereas the official code with a global count draws their layers from given probabilities; the
    start is an ERK mask; weights have momentum, which activation clears, and weight decay, as in
    every other method.

    Args:
        drift: distance that active weights move toward zero in a step, per unit of learning rate.
        noise: standard deviation of the noise of a step, per unit of learning rate.
        scope: whether as many weights are activated over all layers, or in each layer.

    """
    return Recipe(begin=fix_signs, rule=Rewire(drift, noise, scope), until=Fraction(1), period=1)
