"""The number of filters that a budget allows, and the choice by scores."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

if TYPE_CHECKING:
    from torch import Tensor

    from fggp.pruning.filters.masks import FilterMasks

Scope = Literal["uniform", "global"]
Budget = Literal["weights", "work"]
Multiple = Annotated[int, Field(strict=True, ge=1)]
STEPS = 1000


@dataclass(frozen=True)
class FilterCounts:
    """The number of filters that each group keeps; those with its largest scores stay.

    A group keeps at least one channel. Groups keep as many channels as fit into the budget, or the
    least possible number if even that does not fit.

    Attributes:
        scope: "uniform" keeps the same share of every group, floor(c·r + 1/2) of c channels, with
            the largest r in thousandths. "global" removes the smallest scores over all groups.
        budget: the quantity that the target refers to: weights, or the multiply-accumulates of an
            image.
        multiple: the channels kept in a group are a multiple of this, rounded down, or all of them.

    """

    scope: Scope = "uniform"
    budget: Budget = "weights"
    multiple: int = 1

    def __call__(
        self,
        filters: FilterMasks,
        scores: Sequence[Tensor],
        active: Sequence[Tensor],
        share: Fraction,
    ) -> list[Tensor]:
        """Return the kept channels of each group, ``(channels,)`` bool.

        Args:
            filters: filters of the network.
            scores: ``(channels,)`` for each group; of equal ones the earlier is removed first.
            active: ``(channels,)`` bool for each group, the channels to choose from.
            share: the share of all weights, or of the work, that may be left.

        """
        import torch

        cost = filters.weights if self.budget == "weights" else filters.work
        most = floor(cost(filters.counts) * share)
        present = [int(it.count_nonzero()) for it in active]
        if share == 1 and present == filters.counts:
            return [it.clone() for it in active]
        left = self._uniform(filters.counts) if self.scope == "uniform" else _global(scores, active)
        steps, of = left

        def counts(step: int) -> list[int]:
            rounded = map(self._rounded, of(step), filters.counts)
            return [min(a, b) for a, b in zip(rounded, present, strict=True)]

        fits = bisect_right(range(steps + 1), most, key=lambda step: cost(counts(step)))
        kept = []
        for score, mask, count in zip(scores, active, counts(max(0, fits - 1)), strict=True):
            order = torch.argsort(score.where(mask, -torch.inf), stable=True)
            flags = torch.zeros_like(mask)
            flags[order[len(order) - count :]] = True
            kept.append(flags)
        return kept

    def _uniform(self, channels: Sequence[int]) -> tuple[int, Counts]:
        half = Fraction(1, 2)
        return STEPS, lambda step: [floor(c * Fraction(step, STEPS) + half) for c in channels]

    def _rounded(self, count: int, channels: int) -> int:
        """Round a count down to a multiple, not below the least possible number."""
        if count >= channels:
            return channels
        return max(min(self.multiple, channels), count // self.multiple * self.multiple)


UNIFORM = FilterCounts()
Counts = Callable[[int], list[int]]
"""Channels of each group at a step; the more steps, the more channels."""


def _global(scores: Sequence[Tensor], active: Sequence[Tensor]) -> tuple[int, Counts]:
    """Return the counts when the ``step`` largest scores of all active filters are kept."""
    import torch

    values = torch.cat(
        [score[mask].double().cpu() for score, mask in zip(scores, active, strict=True)]
    )
    group = torch.cat(
        [torch.full((int(mask.count_nonzero()),), i) for i, mask in enumerate(active)]
    )
    ranked = group[torch.argsort(values, stable=True)]

    def counts(step: int) -> list[int]:
        return torch.bincount(ranked[len(ranked) - step :], minlength=len(active)).tolist()

    return len(ranked), counts
