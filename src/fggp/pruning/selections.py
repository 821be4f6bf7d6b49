"""Selections of the K weights that stay: by one criterion or two, over all layers or in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, ClassVar

from fggp.pruning.distributions import n_of_m
from fggp.pruning.mask_update import Read, Score, Selection, Update, magnitude, read_by
from fggp.pruning.topk import keep_largest, keep_largest_in_groups, keep_share

if TYPE_CHECKING:
    from torch import Tensor

Pool = Callable[[Fraction, int, int], int]
"""(rate, active count n, K) → the number of the K places that the second criterion fills."""


@dataclass(frozen=True)
class Largest:
    """Select the K active weights with the largest score."""

    score: Score

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) mask of the selected weights."""
        return keep_largest(self.score(update), update.keep, update.mask)


@dataclass(frozen=True)
class Activating:
    """Select K weights, where a part of the removed ones are negative and have hardly moved.

    This is to leave fewer neurons at zero for every input (Liu et al. 2022, arXiv 2212.06145). Of
    the n − K active weights to remove, the score removes all but ⌊share·(n − K) + 1/2⌋. The last
    ones are the negative weights that are nearest to their values at the start of the round. If
    there are fewer negative weights, the score removes the rest.

    Attributes:
        score: score by which the others are removed, the smallest first.
        share: the share of the removed weights that are chosen in this way.

    """

    score: Score
    share: Fraction

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) mask of the selected weights."""
        score, half = self.score(update), Fraction(1, 2)
        going = int(update.mask.count_nonzero()) - update.keep
        activated = floor(self.share * going + half)
        left = keep_largest(score, update.keep + activated, update.mask)
        negative = left & (update.weight < 0)
        there = int(negative.count_nonzero())
        moved = (update.weight - update.origin).abs()
        stay = keep_largest(moved, max(0, there - activated), negative)
        return keep_largest(score, update.keep, left & ~negative | stay)


def of_kept(rate: Fraction, active: int, keep: int) -> int:
    """Let the second criterion fill ceil(r·K) places."""
    return ceil(rate * keep)


def of_active(rate: Fraction, active: int, keep: int) -> int:
    """Make the pool of the max(n − K, ceil(ρ·n)) weights with the smallest first score."""
    return max(active - keep, ceil(rate * active)) - (active - keep)


def of_quota(rate: Fraction, active: int, keep: int) -> int:
    """Make the pool of the min(n, ceil(κ·(n − K))) weights with the smallest first score."""
    return min(active, ceil(rate * (active - keep))) - (active - keep)


@dataclass(frozen=True)
class TwoStage:
    """Select K weights by two criteria, one after the other.

    Some places go to the largest ``first`` scores; those that the pool leaves go to the largest
    ``second`` scores among the rest. With the pool `of_kept`, the rate r is the share that the
    second criterion decides: at r = 1 the first has no effect, at r = 0 the second has none.

    Attributes:
        first: the first criterion.
        second: the second criterion.
        rate: r, ρ or κ, depending on the pool, at an update.
        pool: the number of places that the second criterion fills.
        grow: whether the first criterion may choose weights that are not active.

    """

    first: Score
    second: Score
    rate: Callable[[Update], Fraction]
    pool: Pool = of_kept
    grow: bool = False

    @property
    def grows(self) -> bool:
        """Whether pruned weights may return."""
        return self.grow

    @property
    def reads(self) -> frozenset[Read]:
        """The tensors that the two criteria read; rates and pools read none."""
        return read_by(self.first) | read_by(self.second)

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) mask of the selected weights."""
        active = int(update.mask.count_nonzero())
        filled = self.pool(self.rate(update), active, update.keep)
        among = update.open if self.grow else update.mask
        first = keep_largest(self.first(update), update.keep - filled, among)
        return first | keep_largest(self.second(update), filled, update.mask & ~first)


@dataclass(frozen=True)
class PerLayer:
    """Select inside each layer, with K distributed by active counts."""

    select: Selection

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) mask of the selected weights."""
        chosen = update.mask.clone()
        for layer, out in zip(update.layers(), update.by_layer(chosen), strict=True):
            out.copy_(self.select(layer))
        return chosen


@dataclass(frozen=True)
class InGroups:
    """Select the N largest scores of every M neighbouring input channels, active or not.

    N follows from K and is the same for all groups of one size: counts are nearly K, not exactly.

    Attributes:
        score: the score that is compared inside a group.
        group: the largest M; see `fggp.pruning.distributions.n_of_m`.

    """

    score: Score
    group: int
    grows: ClassVar[bool] = True

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) mask of the selected weights."""
        density = Fraction(update.keep, len(update.mask))
        chosen = update.mask.clone()
        layers = zip(
            update.shapes, update.by_layer(self.score(update)), update.by_layer(chosen), strict=True
        )
        for shape, score, out in layers:
            keep, group = n_of_m(shape, self.group, density)
            out.copy_(keep_largest_in_groups(score, shape, group, keep))
        return chosen


@dataclass(frozen=True)
class Floored:
    """Keep a share of every layer first, by magnitude; fill the other places from the rest.

    ceil(share·N_l) of a layer's N_l weights are kept, or all its active ones if it has fewer.

    Attributes:
        select: the selection that fills the other places.
        share: the share of each layer that is kept.
        score: the score by which it is kept, |w| as the selection reads it.

    """

    select: Selection
    share: Fraction
    score: Score = magnitude

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) mask of the selected weights."""
        reserved = keep_share(self.score(update), self.share, update.sizes, update.mask)
        rest = replace(
            update,
            mask=update.mask & ~reserved,
            reserved=reserved,
            keep=update.keep - int(reserved.count_nonzero()),
        )
        return reserved | self.select(rest)
