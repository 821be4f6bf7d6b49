"""Filters by the rank of their maps."""

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
    rank,
)


@register(
    paper="Lin et al. 2020, arXiv 2002.10179",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def hrank(
    *,
    scope: Scope = "uniform",
    budget: Budget = "weights",
    multiple: Multiple = 1,
    fine_tune: Share = Fraction(1, 2),
    scratch: Scratch = False,
) -> Recipe:
    """Remove the filters of the trained network whose maps have the lowest rank.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, those with the largest mean rank(ReLU(map))

    A filter goes with its row and with its column in every layer that reads it, so that the network
    can be shrunk (`fggp.shrink`); a residual stream is one group, whose score is the sum over its
    convolutions. One channel of each group stays.

    Maps are those behind batch normalization, of ten images of each class. Differs from the
    official code on purpose: the share is the same in every group, all are pruned at once, and the
    columns of the next layer go and count too. On maps of 2×2 pixels a rank is at most 2, and ties
    go by index.

    Args:
        scope: "uniform" keeps the same share of every group, the largest that fits; "global"
            removes the smallest scores of all groups.
        budget: what the sparsity is a share of: weights, or work, the multiplications of an image.
        multiple: channels of a group are a multiple of this, or all of them.
        fine_tune: the last share of the training, gone through again after pruning.
        scratch: whether weights start from their initial values, for a whole training.

    """
    return filters_after_training(
        rank,
        scope=scope, budget=budget, multiple=multiple, fine_tune=fine_tune, scratch=scratch,
    )  # fmt: skip
