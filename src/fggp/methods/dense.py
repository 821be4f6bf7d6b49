"""The dense network: the reference that every sparse one is compared with."""

from fggp.methods.registry import Recipe, method


@method(paper="reference, not a pruning method", starts="one", ranks=False)
def dense() -> Recipe:
    """Train without pruning."""
    return Recipe()
