"""Filters by their distance to the geometric median."""

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
    geometric_median,
)


@register(
    paper="He et al. 2019, arXiv 1811.00250",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def fpgm(
    *,
    scope: Scope = "uniform",
    budget: Budget = "weights",
    multiple: Multiple = 1,
    fine_tune: Share = Fraction(1, 2),
    scratch: Scratch = False,
) -> Recipe:
    """Remove the filters of the trained network that are nearest to all others of their layer.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters i of each group, those with the largest Σ_j ‖W_i − W_j‖

    A filter goes with its row and with its column in every layer that reads it, so that the network
    can be shrunk (`fggp.shrink`); a residual stream is one group, whose score is the sum over its
    convolutions. One channel of each group stays.

    Differs from the official code on purpose: that chooses in every epoch of the training, and
    zeroes rows alone, so that the shift of batch normalization leaks into the next layer.

    Args:
        scope: "uniform" keeps the same share of every group, the largest that fits; "global"
            removes the smallest scores of all groups.
        budget: what the sparsity is a share of: weights, or work, the multiplications of an image.
        multiple: channels of a group are a multiple of this, or all of them.
        fine_tune: the last share of the training, gone through again after pruning.
        scratch: whether weights start from their initial values, for a whole training.

    """
    return filters_after_training(
        geometric_median,
        scope=scope, budget=budget, multiple=multiple, fine_tune=fine_tune, scratch=scratch,
    )  # fmt: skip
