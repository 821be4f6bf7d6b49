"""Rules: how one mask update turns the present masks into the next.

A rule is a function from `Update` to `Update`. All vectors are flat over the prunable tensors in
layer order (logical contiguous index inside a layer), so a rule never sees the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from fggp.schedules import Schedule
from fggp.selection import keep_largest

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Update:
    """What a rule sees, and what it returns.

    Attributes:
        weight: (N,) weights after the optimizer step, zero off the mask.
        dense_gradient: (N,) gradient of that step before any masking, or None if it was cleared.
        mask: (N,) bool, the active weights.
        survived: (N,) bool, active without a break since the update began. An active weight that
            has not survived starts again from zero, with zero momentum.
        sizes: weights per layer, in layer order.
        keep: K, the scheduled number of weights to keep.
        window: progress through the pruning window, from 0 to 1.
        training: progress through the whole training, from 0 to 1.

    """

    weight: Tensor
    dense_gradient: Tensor | None
    mask: Tensor
    survived: Tensor
    sizes: tuple[int, ...]
    keep: int
    window: Fraction
    training: Fraction

    @property
    def gradient(self) -> Tensor:
        """The dense gradient; raises RuntimeError with the fix where it was cleared."""
        if self.dense_gradient is None:
            raise RuntimeError(
                "a prunable parameter has no .grad at a mask update: "
                "call pruner.step() after optimizer.step() and before optimizer.zero_grad()"
            )
        return self.dense_gradient

    def to(self, mask: Tensor) -> Update:
        """Return the update with ``mask``; weights that are not in it are zeroed at once."""
        survived = self.survived & mask
        return replace(self, mask=mask, survived=survived, weight=self.weight * survived)


Score = Callable[[Update], "Tensor"]
Rule = Callable[[Update], Update]
Selection = Callable[[Update], "Tensor"]


def magnitude(update: Update) -> Tensor:
    """Score by |w|."""
    return update.weight.abs()


def gradient(update: Update) -> Tensor:
    """Score by |g|."""
    return update.gradient.abs()


@dataclass(frozen=True)
class Largest:
    """Select the K active weights with the largest score, over all layers."""

    score: Score

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) mask of the selected weights."""
        return keep_largest(self.score(update), update.keep, update.mask)


@dataclass(frozen=True)
class TwoStage:
    """Select K active weights, over all layers, by two criteria one after the other.

    The K − ceil(r·K) weights with the largest ``first`` score are protected; the other ceil(r·K)
    places go to the largest ``second`` score among the rest. So r is the share that the second
    criterion decides: at r = 1 the first has no say, at r = 0 the second has none.
    """

    first: Score
    second: Score
    rate: Schedule

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) mask of the selected weights."""
        filled = ceil(self.rate(update.training) * update.keep)
        protected = keep_largest(self.first(update), update.keep - filled, update.mask)
        rest = update.mask & ~protected
        return protected | keep_largest(self.second(update), filled, rest)


@dataclass(frozen=True)
class PruneTo:
    """Prune to exactly the scheduled count; nothing is grown."""

    select: Selection

    def __call__(self, update: Update) -> Update:
        """Return the update with K weights active, all of them active before."""
        return update.to(self.select(update))


@dataclass(frozen=True)
class DropGrow:
    """Exchange weights inside each layer, keeping its count (Mocanu et al. 2018).

    Of a layer's n active weights the ceil(fraction·n) with the smallest ``drop`` score are
    dropped, and as many inactive ones with the largest ``grow`` score are grown. One that was
    just dropped may be grown again and then keeps its value; all others start from zero.
    """

    drop: Score
    grow: Score
    fraction: Schedule

    def __call__(self, update: Update) -> Update:
        """Return the update with the same number of active weights in every layer."""
        fraction = self.fraction(update.training)
        drop, grow = self.drop(update), self.grow(update)
        new = update.mask.clone()
        layers = zip(
            *(x.split_with_sizes(list(update.sizes)) for x in (drop, grow, update.mask, new)),
            strict=True,
        )
        for drop_score, grow_score, old, out in layers:
            active = int(old.sum())
            dropped = ceil(fraction * active)
            kept = keep_largest(drop_score, active - dropped, old)
            out.copy_(kept | keep_largest(grow_score, dropped, ~kept))
        return update.to(new)


@dataclass(frozen=True)
class Sequence:
    """Apply one rule after another, each on what the one before left."""

    rules: tuple[Rule, ...]

    def __call__(self, update: Update) -> Update:
        """Return the update after all rules."""
        for rule in self.rules:
            update = rule(update)
        return update
