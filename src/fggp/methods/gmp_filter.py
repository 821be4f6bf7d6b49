"""Gradual magnitude pruning of filters."""

from fggp.methods.registry import register
from fggp.pruning import (
    Budget,
    Cubic,
    FilterCounts,
    Mean,
    Multiple,
    PruneFilters,
    Recipe,
    Scope,
    Weights,
    magnitude_at,
)


@register(
    paper="ours, after Zhu & Gupta 2017, arXiv 1710.01878",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def gmp_filter(
    *,
    scope: Scope = "uniform",
    budget: Budget = "weights",
    multiple: Multiple = 1,
    weights: Weights = "stepped",
) -> Recipe:
    """Prune the filters with the smallest mean magnitude step by step on a cubic schedule.

    Formula:
        remove the same share of each group, the active filters with the smallest mean |w|,
        until at most K_t weights are left

    K_t is that of gmp. The mean is over the active weights of a filter; in a residual stream, over
    those of all its convolutions. A filter is removed with its row, and with its column in every
    layer that reads it, so that the network can be shrunk (`fggp.shrink`). At least one channel of
    each group stays.

    Args:
        scope: "uniform" keeps the same share of each group; "global" compares the filters of all
            groups. Since the scales of layers differ, this may nearly empty the wide ones.
        budget: the quantity that the sparsity refers to: weights, or work, the multiplications of
            an image.
        multiple: the number of channels kept in a group is a multiple of this, or all of them.
        weights: the |w| compared by the rule, as in gmp.

    """
    counts = FilterCounts(scope, budget, multiple)
    rule = PruneFilters(Mean(magnitude_at(weights)), counts)
    return Recipe(dense_start=True, sparsity=Cubic, rule=rule)
