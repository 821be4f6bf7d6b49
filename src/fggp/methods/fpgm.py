"""Filters by their distance to the geometric median."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, geometric_median


@register(
    paper="He et al. 2019, arXiv 1811.00250",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("uniform")
def fpgm() -> FilterScore:
    """Remove the filters of the trained network that are nearest to all others of their layer.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters i of each group, those with the largest Σ_j ‖W_i − W_j‖

    Differs from the official code on purpose: that code chooses filters in every epoch of the
    training, and zeroes only rows, so that the shift of batch normalization leaks into the next
    layer.

    """
    return geometric_median
