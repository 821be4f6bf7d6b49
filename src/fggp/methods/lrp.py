"""Filters by their relevance for the true classes."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, relevance


@register(
    paper="Yeom et al. 2021, arXiv 1912.08881",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("uniform")
def lrp() -> FilterScore:
    """Remove the filters of the trained network with the least relevance for the true classes.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, those with the largest Σ|R| over images
        and positions
        R of the true class is 1; convolutions: R_i = Σ_j (x_i·w_ij)⁺ / Σ_k (x_k·w_kj)⁺ · R_j
        linear layers, sums, pooling: R_i = Σ_j x_i·w_ij / (z_j + ε·sign z_j) · R_j, ε = 10⁻⁶

    Relevance is propagated back from the output, layer by layer (layer-wise relevance propagation),
    for ten images of each class. Its sum is preserved where no bias takes part: biases of
    convolutions receive none. Batch normalization is folded into the layer before it. Differs from
    the official code on purpose: the share is the same in every group, and all filters are removed
    at once, whereas that code removes 5 % of all filters before each round of fine-tuning (every
    layer has the same sum, so wide layers would lose most that way, and too much if all were
    removed at once); and the convolutions of a residual stream are pruned together, whereas that
    code leaves them uncoupled.

    """
    return relevance
