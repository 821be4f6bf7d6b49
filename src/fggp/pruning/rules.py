"""Rules: how one mask update turns the present masks into the next.

A rule is a function from `Update` to `Update`. Rules are composed of selections, which choose the
active weights that stay (`fggp.pruning.selections`), and of exchanges, which keep a layer's count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from fractions import Fraction
from math import ceil
from typing import ClassVar

from fggp.pruning.mask_update import Score, Selection, Update, reads
from fggp.pruning.schedules import Schedule
from fggp.pruning.topk import keep_largest

Rule = Callable[[Update], Update]


def grows(part: object) -> bool:
    """Whether a rule may return pruned weights, as it or a part of it declares by ``grows``."""
    if isinstance(part, tuple):
        return any(map(grows, part))
    inner = vars(part).values() if is_dataclass(part) else ()
    return bool(getattr(part, "grows", False)) or any(map(grows, inner))


@dataclass(frozen=True)
class PruneTo:
    """Prune to exactly the scheduled count; the selection decides what grows.

    The count stays while it is below the schedule, as after a mask was changed by hand.
    """

    select: Selection

    def __call__(self, update: Update) -> Update:
        """Return the update with K weights active, or as many as before if these are fewer."""
        keep = min(update.keep, int(update.mask.count_nonzero()))
        return update.to(self.select(replace(update, keep=keep)))


@dataclass(frozen=True)
class DropGrow:
    """Exchange weights inside each layer, keeping its count (Mocanu et al. 2018).

    Of a layer's n active weights the ceil(fraction·n) with the smallest ``drop`` score are
    dropped, and as many inactive ones with the largest ``grow`` score are grown. A weight that was
    just dropped may be grown again and then keeps its value; all others start from zero.
    """

    drop: Score
    grow: Score
    fraction: Schedule
    grows: ClassVar[bool] = True

    def __call__(self, update: Update) -> Update:
        """Return the update with the same number of active weights in every layer."""
        fraction = self.fraction(update.training)
        drop, grow = self.drop(update), self.grow(update)
        new = update.mask.clone()
        layers = zip(*(update.by_layer(x) for x in (drop, grow, update.mask, new)), strict=True)
        for drop_score, grow_score, old, out in layers:
            active = int(old.count_nonzero())
            dropped = ceil(fraction * active)
            kept = keep_largest(drop_score, active - dropped, old)
            out.copy_(kept | keep_largest(grow_score, dropped, ~kept))
        return update.to(new)


@dataclass(frozen=True)
class Choose:
    """Choose K of all weights, pruned ones included: for soft masking, where all have a value."""

    select: Selection
    grows: ClassVar[bool] = True

    def __call__(self, update: Update) -> Update:
        """Return the update with K weights active; all weights keep their values."""
        everything = update.mask.new_ones(update.mask.shape)
        return replace(update, mask=self.select(replace(update, mask=everything)))


@dataclass(frozen=True)
class ChooseInLayers:
    """Choose the active weights of each layer again, pruned ones included; for soft masking.

    Attributes:
        score: the score; the weights with the largest values are active.

    """

    score: Score
    grows: ClassVar[bool] = True

    def __call__(self, update: Update) -> Update:
        """Return the update with the same number of active weights in every layer."""
        score, new = self.score(update), update.mask.clone()
        for values, mask in zip(update.by_layer(score), update.by_layer(new), strict=True):
            every = mask.new_ones(mask.shape)
            mask.copy_(keep_largest(values, int(mask.count_nonzero()), every))
        return replace(update, mask=new)


@dataclass(frozen=True)
class Shrink:
    """Shrink the weights off the mask by a share of their value, for soft masking."""

    share: Fraction

    def __call__(self, update: Update) -> Update:
        """Return the update with the same mask and smaller weights off it."""
        smaller = update.weight * float(1 - self.share)
        return replace(update, weight=update.weight.where(update.mask, smaller))


@reads()
def clear(update: Update) -> Update:
    """Set the weights off the mask to zero, where soft masking would keep them."""
    return update.to(update.mask)


@dataclass(frozen=True)
class Sequence:
    """Apply one rule after another, each to the result of the one before."""

    rules: tuple[Rule, ...]

    def __call__(self, update: Update) -> Update:
        """Return the update after all rules."""
        for rule in self.rules:
            update = rule(update)
        return update
