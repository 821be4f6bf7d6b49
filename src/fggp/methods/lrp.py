"""Filters by their relevance for the true classes."""

from fggp.methods.registry import register
from fggp.pruning import FilterScore, filters_after_training, relevance


@register(
    paper="Yeom et al. 2021, arXiv 1912.08881",
    starts="one", exact=False, pattern="filters",
)  # fmt: skip
@filters_after_training("uniform")
def lrp() -> FilterScore:
    """Remove the filters of the trained network that its decisions for the true classes need least.

    Formula:
        keep ⌊r·c + ½⌋ of the c filters of each group, those with the largest Σ|R| over images
        and positions
        R of the true class is 1; convolutions: R_i = Σ_j (x_i·w_ij)⁺ / Σ_k (x_k·w_kj)⁺ · R_j
        linear layers, sums, pooling: R_i = Σ_j x_i·w_ij / (z_j + ε·sign z_j) · R_j, ε = 10⁻⁶

    Relevance is handed back from the output, layer by layer (layer-wise relevance propagation), for
    ten images of each class, and stays the same in sum where no bias takes part: biases of
    convolutions have none of it. Batch normalization is folded into the layer before it. Differs
    from the official code on purpose: the share is the same in every group, and all filters go at
    once, where it removes 5 % of all filters before each round of fine-tuning (every layer has the
    same sum, so that wide layers lose most by that, and at once too much); and the convolutions of
    a residual stream go together, where it leaves them uncoupled.

    """
    return relevance
