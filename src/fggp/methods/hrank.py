"""Filters by the rank of their feature maps."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, rank


@register(
    paper="Lin et al. 2020, arXiv 2002.10179",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("uniform")
def hrank() -> FilterScore:
    """Remove the filters of the trained network whose feature maps have the lowest rank.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, those with the largest mean rank(ReLU(map))

    Maps are those after batch normalization, for ten images of each class. Differs from the
    official code on purpose: the share is the same in every group, all filters are pruned at once,
    and the columns of the next layer are removed and counted too. On maps of 2×2 pixels a rank is
    at most 2, and ties are broken by index.

    """
    return rank
