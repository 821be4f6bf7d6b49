"""Global magnitude pruning after training."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import Floored, Largest, PruneTo, Recipe, everything, magnitude


@register(paper="Han et al. 2015; Renda et al. 2020, arXiv 2003.02389", starts="one")
def global_mp(floor: Share = Fraction(0), fine_tune: Share = Fraction(1, 2)) -> Recipe:
    """Prune the trained dense network at once by magnitude over all layers, then fine-tune it.

    Formula:
        m = the K largest |w| of the trained dense network, over all layers, at once

    In a study it starts from the dense cell of the same backbone and seed, and repeats the last
    ``fine_tune`` of the training with the learning rates of those epochs (learning rate rewinding).
    In your own training loop, give the pruner a trained model. ``floor`` is the minimum share of
    each layer to keep, by magnitude.

    Args:
        floor: minimum share of the weights of each layer to keep, by magnitude.
        fine_tune: the last share of the training, repeated after pruning.

    """
    if not fine_tune:
        raise ValueError("fine_tune: 0 leaves nothing to train; set a share above 0")
    keep = PruneTo(Floored(Largest(magnitude), floor))
    return Recipe(initial=everything, begin=keep, floor=floor, fine_tune=fine_tune)
