"""Iterative synaptic flow pruning."""

from typing import Annotated

from pydantic import Field

from fggp.methods.registry import register
from fggp.pruning import Recipe, Synflow


@register(paper="Tanaka et al. 2020, arXiv 2006.05467", starts="one")
def synflow(rounds: Annotated[int, Field(strict=True, ge=1)] = 100) -> Recipe:
    """Prune the weights with the least synaptic flow, in rounds, before the first step.

    Formula:
        m ← the N·(K/N)^(k/n) largest |w₀·∂R/∂w|, for k = 1 … n
        R = 1ᵀ·(Π_l |m_l·w_l|)·1, the flow through the network from an input of ones

    Only the shape of an input is used, not the data; the network must return raw outputs. After
    round k of n, N·(K/N)^(k/n) weights are left. Differs from the official code on purpose: the
    flow is computed in float64 (it overflows float32 in deep networks), the default is 100 rounds
    as in the paper instead of 1, a pruned weight never returns, ties are broken by index, and every
    count is exact. One weight more or less in a round is enough to change the weights kept at the
    end.

    Args:
        rounds: number of rounds.

    """
    return Recipe(initial=Synflow(rounds))
