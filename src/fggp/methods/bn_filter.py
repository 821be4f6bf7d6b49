"""Filters by batch normalization."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, activation, filters_after_training


@register(
    paper="criterion of arXiv 2112.01155, our reading",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("global")
def bn_filter() -> FilterScore:
    """Remove the filters of the trained network with the smallest mean after ReLU, without data.

    Formula:
        keep the filters with the largest βΦ(β/|γ|) + |γ|φ(β/|γ|) over all groups

    This is the mean of the ReLU of a normal variable with mean β and standard deviation |γ|, the
    shift and the scale of batch normalization; no data is needed. It is our reading of the paper,
    whose formula and code were not available. Before a residual sum it is not the mean of any ReLU.

    """
    return activation
