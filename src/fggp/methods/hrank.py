"""Filters by the rank of their maps."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, rank


@register(
    paper="Lin et al. 2020, arXiv 2002.10179",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("uniform")
def hrank() -> FilterScore:
    """Remove the filters of the trained network whose maps have the lowest rank.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, those with the largest mean rank(ReLU(map))

    Maps are those behind batch normalization, of ten images of each class. Differs from the
    official code on purpose: the share is the same in every group, all are pruned at once, and the
    columns of the next layer go and count too. On maps of 2×2 pixels a rank is at most 2, and ties
    go by index.

    """
    return rank
