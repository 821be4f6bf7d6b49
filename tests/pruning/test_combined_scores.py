"""Scores of magnitude and gradient at once, against hand-written tables and whole numbers."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from fggp.pruning.combined_scores import Product, RankProduct, RankSum, ranks
from fggp.pruning.mask_update import Score, Update, gradient, magnitude
from fggp.pruning.selections import Largest
from fggp.pruning.topk import MANY


def update(weight: Tensor, slope: Tensor, mask: Tensor, keep: int) -> Update:
    return Update(
        weight=weight * mask,
        dense_gradient=slope,
        mask=mask,
        survived=mask,
        sizes=(len(weight),),
        keep=keep,
        window=Fraction(1, 2),
        training=Fraction(1, 4),
        random=np.random.default_rng(0),
    )


#        position: 0     1     2    3    4     5     6    7
WEIGHT = torch.tensor([0.1, -0.8, 0.3, 9.0, 0.5, -0.2, 0.7, 0.4])
SLOPE = torch.tensor([-0.9, 0.1, 0.8, 9.0, -0.2, 0.6, 0.3, 0.0])
MASK = torch.tensor([True, True, True, False, True, True, True, True])
# Ranks of |w|: 1, 7, 3, -, 5, 2, 6, 4; of |g|: 7, 2, 6, -, 3, 5, 4, 1.


def test_ranks_ascend_from_one_over_the_active_weights_alone() -> None:
    assert ranks(WEIGHT.abs(), MASK).tolist() == [1, 7, 3, 0, 5, 2, 6, 4]
    assert ranks(SLOPE.abs(), MASK).tolist() == [7, 2, 6, 0, 3, 5, 4, 1]


def test_equal_scores_are_ranked_by_index() -> None:
    scores = torch.tensor([1.0, 0.0, 1.0, -0.0, 1.0, 0.0])
    assert ranks(scores, torch.tensor([True] * 6)).tolist() == [4, 1, 5, 2, 6, 3]


@pytest.mark.parametrize(
    ("score", "values"),
    [
        (Product(magnitude, gradient), [0.09, 0.08, 0.24, 0, 0.10, 0.12, 0.21, 0]),
        (RankSum(magnitude, gradient), [8, 9, 9, 0, 8, 7, 10, 5]),
        (RankProduct(magnitude, gradient), [7, 14, 18, 0, 15, 10, 24, 4]),
    ],
)
def test_scores_are_those_of_the_hand_written_table(score: Score, values: list[float]) -> None:
    assert score(update(WEIGHT, SLOPE, MASK, 4)).tolist() == pytest.approx(values)


@pytest.mark.parametrize(
    ("score", "kept"),
    [
        (Product(magnitude, gradient), [2, 4, 5, 6]),
        (RankSum(magnitude, gradient), [1, 2, 4, 6]),  # of the equal sums at 0 and 4 the later
        (RankProduct(magnitude, gradient), [1, 2, 4, 6]),
    ],
)
def test_the_largest_scores_are_kept(score: Score, kept: list[int]) -> None:
    chosen = Largest(score)(update(WEIGHT, SLOPE, MASK, 4))
    assert chosen.nonzero().squeeze(1).tolist() == kept


def many() -> tuple[Update, np.ndarray, np.ndarray]:
    """Return an update of many weights, its active positions, and the ranks of both scores."""
    random, size = np.random.default_rng(1), 2 * MANY + 17
    weight = random.integers(-size // 4, size // 4, size).astype(np.float32)  # some are equal
    slope = random.integers(-size // 4, size // 4, size).astype(np.float32)
    mask = random.random(size) < 0.9
    active = np.flatnonzero(mask)
    found = np.empty((2, len(active)), np.int64)
    for row, values in zip(found, (np.abs(weight), np.abs(slope)), strict=True):
        row[np.lexsort((active, values[active]))] = np.arange(1, len(active) + 1)
    return update(*map(torch.from_numpy, (weight, slope, mask)), 0), active, found


@pytest.mark.parametrize("share", ["1/10", "1/2", "99/100"])
@pytest.mark.parametrize("score", [RankSum(magnitude, gradient), RankProduct(magnitude, gradient)])
def test_scores_by_ranks_of_many_weights_are_exact(score: Score, share: str) -> None:
    state, active, (one, other) = many()
    both = one + other if isinstance(score, RankSum) else one * other
    assert np.array_equal(score(state).numpy()[active], both)
    keep = int(len(active) * Fraction(share))
    expected = np.sort(active[np.lexsort((active, both))[len(active) - keep :]])
    assert np.array_equal(Largest(score)(replace(state, keep=keep)).numpy().nonzero()[0], expected)


def test_products_that_32_bit_floats_cannot_tell_apart_are_told_apart() -> None:
    state, active, (one, other) = many()
    both = one * other
    order = np.lexsort((active, both))
    ascending = both[order]
    blurred = ascending.astype(np.float32)
    # The smaller product is at the later index, so that a tie would be decided the other way.
    wrong = (blurred[:-1] == blurred[1:]) & (ascending[:-1] < ascending[1:])
    wrong &= order[:-1] > order[1:]
    cuts = np.flatnonzero(wrong) + 1
    assert len(cuts) > 10
    for cut in cuts[::4]:
        state = replace(state, keep=len(active) - int(cut))
        kept = Largest(RankProduct(magnitude, gradient))(state).numpy()
        assert np.array_equal(kept.nonzero()[0], np.sort(active[order[cut:]]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_product_of_16_bits_is_not_rounded_to_zero(dtype: torch.dtype) -> None:
    small = (1e-2 * WEIGHT.to(dtype), 1e-6 * SLOPE.to(dtype))
    found = Product(magnitude, gradient)(update(*small, MASK, 4))
    assert torch.equal(found, (small[0].float() * small[1].float() * MASK).abs())
