"""Filters by a Taylor expansion of the loss."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import (
    Budget,
    Multiple,
    Recipe,
    Scope,
    Scratch,
    filters_after_training,
    taylor,
)


@register(
    paper="Molchanov et al. 2019, arXiv 1906.10771",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def taylor_filter(
    *,
    scope: Scope = "global",
    budget: Budget = "weights",
    multiple: Multiple = 1,
    fine_tune: Share = Fraction(1, 2),
    scratch: Scratch = False,
) -> Recipe:
    """Remove the filters of the trained network whose gates change the loss least.

    Formula:
        keep the filters with the largest mean over batches of (γ·∂L/∂γ + β·∂L/∂β)²

    A filter goes with its row and with its column in every layer that reads it, so that the network
    can be shrunk (`fggp.shrink`); a residual stream is one group, whose score is the sum over its
    convolutions. One channel of each group stays.

    γ and β are the scale and the shift of batch normalization: their sum is ∂L/∂z of a gate z = 1
    behind it. In a group without batch normalization the gate is behind the convolution. Differs
    from the official code on purpose: it prunes once, on ten images of each class, and not a
    hundred filters every thirty batches.

    Args:
        scope: "uniform" keeps the same share of every group, the largest that fits; "global"
            removes the smallest scores of all groups.
        budget: what the sparsity is a share of: weights, or work, the multiplications of an image.
        multiple: channels of a group are a multiple of this, or all of them.
        fine_tune: the last share of the training, gone through again after pruning.
        scratch: whether weights start from their initial values, for a whole training.

    """
    return filters_after_training(
        taylor,
        scope=scope, budget=budget, multiple=multiple, fine_tune=fine_tune, scratch=scratch,
    )  # fmt: skip
