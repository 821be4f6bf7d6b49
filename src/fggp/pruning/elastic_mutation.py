"""Elastic mutation: layers that are pruned below their count and grown back (Yuan et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import ClassVar, Literal

from fggp.foundation.exact import plain
from fggp.pruning.mask_update import Score, Update
from fggp.pruning.schedules import Schedule, Staged
from fggp.pruning.topk import keep_largest

Memory = Literal["bound", "soft-bound"]
SHARES: dict[Memory, tuple[Fraction, Fraction]] = {
    "bound": (Fraction(1, 5), Fraction(1, 10)),
    "soft-bound": (Fraction(1, 3), Fraction(1, 5)),
}
"""The shares of the first two stages in the official scripts for 90 % sparsity."""


@dataclass(frozen=True)
class PruneGrow:
    """Prune each layer below its scheduled count, and grow it back to that from zero.

    K is distributed by active counts. Of a layer's k weights after the update ceil(share·k) are
    grown, but no more than it has free places, so that a dense layer stays unchanged.

    Attributes:
        prune: score; the weights with the largest values stay.
        grow: score; of all weights that did not stay, those with the largest values are grown.
        share: the share of a layer's count that is grown at an update.

    """

    prune: Score
    grow: Score
    share: Callable[[Update], Fraction]
    grows: ClassVar[bool] = True

    def __call__(self, update: Update) -> Update:
        """Return the update with K weights active."""
        share, grow = self.share(update), self.grow(update)
        kept, new = update.mask.clone(), update.mask.clone()
        layers = zip(update.layers(), *(update.by_layer(x) for x in (grow, kept, new)), strict=True)
        for layer, grow_score, stay, out in layers:
            grown = min(ceil(share * layer.keep), len(out) - layer.keep)
            # Fewer are active than the schedule keeps only after a mask was changed by hand.
            left = min(layer.keep - grown, int(layer.mask.count_nonzero()))
            stay.copy_(keep_largest(self.prune(layer), left, layer.mask))
            out.copy_(stay | keep_largest(grow_score, layer.keep - left, ~stay))
        return replace(update.to(kept), mask=new)


@dataclass(frozen=True)
class Surplus:
    """Sparsity below the target, so that the target is reached before weights are grown.

    Attributes:
        shares: the share of the weights after an update that is grown; see `PruneGrow`.

    """

    shares: Staged

    def __post_init__(self) -> None:
        for earlier, later in pairwise(self.shares.values):
            if later > earlier:
                raise ValueError(
                    f"shares: {plain(later)} comes after {plain(earlier)}, and the number of "
                    f"weights would rise in training; the nearest valid is {plain(earlier)}"
                )

    def __call__(self, start: Fraction, end: Fraction) -> Schedule:
        """Return the sparsity over the window for the target ``end``, never below 0."""
        density = 1 - end
        kept = [
            density / (1 - share) if density < 1 - share else Fraction(1)
            for share in self.shares.values
        ]
        return Staged(tuple(1 - share for share in kept), self.shares.switches)
