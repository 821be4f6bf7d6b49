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
    """Draw the scales of batch normalization to zero in the window, then prune by them at once.

    Formula:
        after every step of the window: γ ← sign(γ)·max(|γ| − lr·λ, 0), λ = penalty
        when it ends: keep the filters with the largest |γ| over all groups

    The score of a channel of a residual stream is the sum over the batch normalizations that write
    to it. A filter goes with its row and with its column in every layer that reads it, so that the
    network can be shrunk (`fggp.shrink`). One channel of each group stays, where the official code
    may leave none.

    Differs from the official code on purpose: the penalty is a proximal step of its own, and not a
    part of the gradient, which momentum would make 1/(1 − momentum) times as large. So the default
    of 10⁻³ is the 10⁻⁴ of the paper at a momentum of 0.9. Scales start at 1, as everywhere, and the
    training goes on after pruning instead of beginning another one.

    Args:
        penalty: λ, the strength of the penalty on the scale factors.
        scope: "global" compares the filters of all groups; "uniform" keeps the same share of each.
        budget: what the sparsity is a share of: weights, or work, the multiplications of an image.
        multiple: channels of a group are a multiple of this, or all of them.

    """
    rule = Slim(penalty, FilterCounts(scope, budget, multiple))
    return Recipe(dense_start=True, sparsity=at_the_end, rule=rule, period=1)
