"""Filters by the sum of magnitudes."""

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
    l1,
)


@register(
    paper="Li et al. 2017, arXiv 1608.08710",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def l1_filter(
    *,
    scope: Scope = "uniform",
    budget: Budget = "weights",
    multiple: Multiple = 1,
    fine_tune: Share = Fraction(1, 2),
    scratch: Scratch = False,
) -> Recipe:
    """Remove the filters of the trained network with the smallest sum of magnitudes.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, those with the largest Σ|w|

    A filter goes with its row and with its column in every layer that reads it, so that the network
    can be shrunk (`fggp.shrink`); a residual stream is one group, whose score is the sum over its
    convolutions. One channel of each group stays.

    Differs from the paper on purpose: the share is the same in every group, where the paper sets
    one for each layer by hand and leaves residual streams whole.

    Args:
        scope: "uniform" keeps the same share of every group, the largest that fits; "global"
            removes the smallest scores of all groups.
        budget: what the sparsity is a share of: weights, or work, the multiplications of an image.
        multiple: channels of a group are a multiple of this, or all of them.
        fine_tune: the last share of the training, gone through again after pruning.
        scratch: whether weights start from their initial values, for a whole training.

    """
    return filters_after_training(
        l1,
        scope=scope, budget=budget, multiple=multiple, fine_tune=fine_tune, scratch=scratch,
    )  # fmt: skip
