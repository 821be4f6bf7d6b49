"""Filters by the sum of magnitudes."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, l1


@register(
    paper="Li et al. 2017, arXiv 1608.08710",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("uniform")
def l1_filter() -> FilterScore:
    """Remove the filters of the trained network with the smallest sum of magnitudes.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, those with the largest Σ|w|

    Differs from the paper on purpose: the share is the same in every group, whereas the paper sets
    one for each layer by hand and does not prune residual streams.

    """
    return l1
