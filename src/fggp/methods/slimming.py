"""Network slimming."""

from fractions import Fraction

from fggp.foundation.exact import NonNegative
from fggp.methods.registry import register
from fggp.pruning import Budget, FilterCounts, Multiple, Recipe, Scope, Slim, at_the_end


@register(
    paper="Liu et al. 2017, arXiv 1708.06519",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
def slimming(
    *,
    penalty: NonNegative = Fraction(1, 1000),
    scope: Scope = "global",
    budget: Budget = "weights",
    multiple: Multiple = 1,
) -> Recipe:
    """Pull the scales of batch normalization to zero in the window, then prune by them at once.

    Formula:
        after every step of the window: γ ← sign(γ)·max(|γ| − lr·λ, 0), λ = penalty
        when it ends: keep the filters with the largest |γ| over all groups

    The score of a channel of a residual stream is the sum over the batch normalizations that write
    to it. A filter is removed with its row, and with its column in every layer that reads it, so
    that the network can be shrunk (`fggp.shrink`). At least one channel of each group stays,
    whereas the official code may leave none.

    Differs from the official code on purpose: the penalty is a separate proximal step and not a
    part of the gradient, where momentum would make it 1/(1 − momentum) times as large. The default
    of 10⁻³ therefore corresponds to the 10⁻⁴ of the paper at a momentum of 0.9. Scales start at 1,
    as in all methods, and the training continues after pruning instead of starting again.

    Args:
        penalty: λ, the strength of the penalty on the scale factors.
        scope: "global" compares the filters of all groups; "uniform" keeps the same share of each.
        budget: the quantity that the sparsity refers to: weights, or work, the multiplications of
            an image.
        multiple: the number of channels kept in a group is a multiple of this, or all of them.

    """
    rule = Slim(penalty, FilterCounts(scope, budget, multiple))
    return Recipe(dense_start=True, sparsity=at_the_end, rule=rule, period=1)
