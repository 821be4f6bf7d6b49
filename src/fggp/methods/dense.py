"""The dense network: the reference that every sparse one is compared with."""

from fggp.methods.registry import register
from fggp.pruning import Recipe


@register(paper="reference, not a pruning method", starts="none", ranks=False)
def dense() -> Recipe:
    """Train without pruning.

    Formula:
        m = 1 everywhere, K = N

    """
    return Recipe()
