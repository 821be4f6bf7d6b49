"""Fixed-rate gradient-first gradual pruning of filters."""

from fractions import Fraction

from fggp.foundation.exact import Share
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
    Stages,
    Weights,
    gradient,
    magnitude_at,
)


@register(
    paper="ours, after Zhu, Bezek & Goksel 2025, arXiv 2411.05500",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def fggp_filter(
    *,
    rho: Share = Fraction(1, 2),
    scope: Scope = "uniform",
    budget: Budget = "weights",
    multiple: Multiple = 1,
    weights: Weights = "forward",
) -> Recipe:
    """Choose candidate filters by gradient, then prune among them by magnitude, at a fixed rate.

    Formula:
        C = the ⌈ρ·n⌉ of the n active filters of a group with the smallest mean |g|
        remove the same share of each group, those of C with the smallest mean |w|,
        until at most K_t weights are left

    The rule of fggp with filters in place of weights, and with the same K_t. If C is not enough,
    the filters with the next smallest gradients follow. Means are over the active weights of a
    filter; in a residual stream, over those of all its convolutions. A filter is removed with its
    row, and with its column in every layer that reads it, so that the network can be shrunk
    (`fggp.shrink`). At least one channel of each group stays.

    Args:
        rho: ρ, the share of the active filters that are candidates; 1 is gmp-filter.
        scope: "uniform" keeps the same share of each group; "global" compares the filters of all
            groups. Since the scales of layers differ, this may nearly empty the wide ones.
        budget: the quantity that the sparsity refers to: weights, or work, the multiplications of
            an image.
        multiple: the number of channels kept in a group is a multiple of this, or all of them.
        weights: the |w| compared by the rule, as in fggp.

    """
    counts = FilterCounts(scope, budget, multiple)
    order = Stages(Mean(gradient), Mean(magnitude_at(weights)), rho, scope)
    return Recipe(dense_start=True, sparsity=Cubic, rule=PruneFilters(order, counts))
