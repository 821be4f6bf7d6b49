"""Scores made of two others: their product, and the sum or the product of their ranks.

Ranks are whole numbers from 1, so sums and products of them are exact: no two different ones
become equal by rounding, as they would in 32-bit floating-point numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fggp.pruning.mask_update import Score, Update

if TYPE_CHECKING:
    from torch import Tensor


LEAST_BYTES = 4  # of the numbers that are multiplied


@dataclass(frozen=True)
class Product:
    """Score by the product of two scores.

    Attributes:
        first: one score, at least 0.
        second: the other score, at least 0.

    """

    first: Score
    second: Score

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) scores, of at least 32 bits: in 16 most products would be zero."""
        first, second = self.first(update), self.second(update)
        return first * second if first.itemsize >= LEAST_BYTES else first.float() * second.float()


@dataclass(frozen=True)
class RankSum:
    """Score by the sum of the ranks that two scores give the active weights.

    Attributes:
        first: one score.
        second: the other score.

    """

    first: Score
    second: Score

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) scores as int64, from 2 to 2n for n active weights; 0 elsewhere."""
        return ranks(self.first(update), update.mask) + ranks(self.second(update), update.mask)


@dataclass(frozen=True)
class RankProduct:
    """Score by the product of the ranks that two scores give the active weights.

    Attributes:
        first: one score.
        second: the other score.

    """

    first: Score
    second: Score

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) scores as int64, from 1 to n² for n active weights; 0 elsewhere.

        n may be up to 3·10⁹.
        """
        return ranks(self.first(update), update.mask) * ranks(self.second(update), update.mask)


Combination = Literal["product", "rank-sum", "rank-product"]
"""The ways to combine two scores."""

SCORES: Mapping[Combination, Callable[[Score, Score], Score]] = {
    "product": Product,
    "rank-sum": RankSum,
    "rank-product": RankProduct,
}
"""The combined scores by name."""


def ranks(score: Tensor, among: Tensor) -> Tensor:
    """Return the ranks of the marked scores in ascending order, from 1; 0 elsewhere.

    Equal scores are ranked by index, so that no two ranks are equal.

    Args:
        score: (N,) finite numbers.
        among: (N,) bool.

    Returns:
        (N,) int64.

    """
    positions = among.nonzero().squeeze(1)
    order = score[positions].sort(stable=True).indices
    found = positions.new_zeros(among.shape)
    found[positions[order]] = order.new_ones(order.shape).cumsum(0)
    return found
