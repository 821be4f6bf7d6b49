"""A narrower dense network with as many weights."""

from fggp.methods.registry import register
from fggp.pruning import Recipe


@register(paper="reference, as in Evci et al. 2020", starts="one", ranks=False, exact=False)
def small_dense() -> Recipe:
    """Train a dense network with all channel numbers reduced by one factor.

    Formula:
        channels ← f·channels, rounded, at least 1; f the largest with N(f) ≤ K weights; no mask

    It has as many prunable weights as the sparse networks of its sparsity, or slightly fewer, since
    channel numbers are integers. Its realized sparsity is relative to the network at full width.
    """
    return Recipe(narrow=True)
