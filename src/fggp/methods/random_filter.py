"""Random filters: what any criterion for filters has to beat."""

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
    random_channels,
)


@register(
    paper="reference, as in Mittal et al. 2018, arXiv 1801.10447",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def random_filter(
    *,
    scope: Scope = "uniform",
    budget: Budget = "weights",
    multiple: Multiple = 1,
    fine_tune: Share = Fraction(1, 2),
    scratch: Scratch = False,
) -> Recipe:
    """Remove filters of the trained network at random.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, drawn once

    A filter goes with its row and with its column in every layer that reads it, so that the network
    can be shrunk (`fggp.shrink`); a residual stream is one group, whose score is the sum over its
    convolutions. One channel of each group stays.

    Args:
        scope: "uniform" keeps the same share of every group, the largest that fits; "global"
            removes the smallest scores of all groups.
        budget: what the sparsity is a share of: weights, or work, the multiplications of an image.
        multiple: channels of a group are a multiple of this, or all of them.
        fine_tune: the last share of the training, gone through again after pruning.
        scratch: whether weights start from their initial values, for a whole training.

    """
    return filters_after_training(
        random_channels,
        scope=scope, budget=budget, multiple=multiple, fine_tune=fine_tune, scratch=scratch,
    )  # fmt: skip
