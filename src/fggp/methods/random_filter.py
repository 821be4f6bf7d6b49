"""Random filters: the baseline of every filter criterion."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, random_channels


@register(
    paper="reference, as in Mittal et al. 2018, arXiv 1801.10447",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("uniform")
def random_filter() -> FilterScore:
    """Remove filters of the trained network at random.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, drawn once

    """
    return random_channels
