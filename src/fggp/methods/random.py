"""Random static sparsity: what any pruning criterion has to beat."""

from typing import Literal

from fggp.methods.registry import register
from fggp.pruning import Random, Recipe, erk, uniform


@register(paper="Mocanu et al. 2018; ERK: Evci et al. 2020, arXiv 1911.11134", starts="one")
def random(distribution: Literal["erk", "uniform"] = "erk") -> Recipe:
    """Train a random mask of the target sparsity that never changes.

    Formula:
        m_l = K_l of the N_l places of layer l, drawn once; ΣK_l = K
        erk: K_l ∝ the sum of the layer's dimensions, at most N_l; uniform: K_l ∝ N_l

    Args:
        distribution: how the kept weights are distributed over the layers: `erk` (Erdős–Rényi
            kernel), or `uniform`, the same share in each.

    """
    return Recipe(initial=Random({"erk": erk, "uniform": uniform}[distribution]))
