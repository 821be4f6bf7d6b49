"""Filters by their Euclidean norm."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, l2


@register(
    paper="He et al. 2018, arXiv 1808.06866 (the criterion)",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("uniform")
def l2_filter() -> FilterScore:
    """Remove the filters of the trained network with the smallest Euclidean norm.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, those with the largest √Σw²

    Differs from the paper on purpose: it prunes once, after training, and removed filters do not
    return.

    """
    return l2
