"""Filters by batch normalization."""

from fractions import Fraction

from fggp.foundation.exact import Share
from fggp.methods.registry import register
from fggp.pruning import (
    Budget,
    Multiple,
    Recipe,
    Scope,
    Scratch,
    activation,
    filters_after_training,
)


@register(
    paper="criterion of arXiv 2112.01155, our reading",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def bn_filter(
    *,
    scope: Scope = "global",
    budget: Budget = "weights",
    multiple: Multiple = 1,
    fine_tune: Share = Fraction(1, 2),
    scratch: Scratch = False,
) -> Recipe:
    """Remove the filters of the trained network with the smallest mean behind ReLU, without data.

    Formula:
        keep the filters with the largest βΦ(β/|γ|) + |γ|φ(β/|γ|) over all groups

    A filter goes with its row and with its column in every layer that reads it, so that the network
    can be shrunk (`fggp.shrink`); a residual stream is one group, whose score is the sum over its
    convolutions. One channel of each group stays.

    This is the mean of the ReLU of a normal variable with mean β and deviation |γ|, the shift and
    the scale of batch normalization; no data is needed. It is our reading of the paper, whose
    formula and code were not at hand. Before a residual sum it is not the mean of any ReLU.

    Args:
        scope: "uniform" keeps the same share of every group, the largest that fits; "global"
            removes the smallest scores of all groups.
        budget: what the sparsity is a share of: weights, or work, the multiplications of an image.
        multiple: channels of a group are a multiple of this, or all of them.
        fine_tune: the last share of the training, gone through again after pruning.
        scratch: whether weights start from their initial values, for a whole training.

    """
    return filters_after_training(
        activation,
        scope=scope, budget=budget, multiple=multiple, fine_tune=fine_tune, scratch=scratch,
    )  # fmt: skip
