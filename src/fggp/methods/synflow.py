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
        R = 1ᵀ·(Π_l |m_l·w_l|)·1, what flows through the network from an input of ones

    Of the data only the shape of an input counts; the network must give raw outputs. After round k
    of n, N·(K/N)^(k/n) weights are left. Differs from the official code on purpose: flow is counted
    in float64 (it overflows float32 in deep networks), 100 rounds are the default as in the paper
    instead of 1, a pruned weight never returns, ties go by index, and every count is exact; one
    weight more or less in a round is enough for other weights to be kept in the end.

    Args:
        rounds: number of rounds.

    """
    return Recipe(initial=Synflow(rounds))
