"""Filters by a Taylor expansion of the loss."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, taylor


@register(
    paper="Molchanov et al. 2019, arXiv 1906.10771",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("global")
def taylor_filter() -> FilterScore:
    """Remove the filters of the trained network whose gates change the loss least.

    Formula:
        keep the filters with the largest mean over batches of (γ·∂L/∂γ + β·∂L/∂β)²

    γ and β are the scale and the shift of batch normalization: the sum is ∂L/∂z of a gate z = 1
    after it. In a group without batch normalization the gate is after the convolution. Differs from
    the official code on purpose: it prunes once, on ten images of each class, instead of a hundred
    filters every thirty batches.

    """
    return taylor
