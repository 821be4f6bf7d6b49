from fractions import Fraction

import numpy as np
import pytest
import torch
from stand_in_gpu import GPU
from torch.utils._python_dispatch import TorchDispatchMode

from fggp.foundation.exact import kept_count, largest_remainder
from fggp.pruning.topk import keep_largest, keep_largest_plainly
from fggp.pruning.topk_gpu import SAMPLE, largest_on_gpu

VGG19, RESNET50 = 20_024_000, 23_467_712
LARGE = 65_536  # scores, enough for the passes over large vectors on a CPU


def slow_keep_largest(score: list[float], count: int, among: list[bool]) -> list[bool]:
    ascending = sorted((s, i) for i, s in enumerate(score) if among[i])
    kept = {i for _, i in ascending[len(ascending) - count :]}
    return [i in kept for i in range(len(score))]


@pytest.mark.parametrize(
    ("total", "sparsity", "kept"),
    [
        (VGG19, "0.90", 2_002_400),
        (VGG19, "0.95", 1_001_200),
        (VGG19, "0.98", 400_480),
        (RESNET50, "0.90", 2_346_771),
        (RESNET50, "0.95", 1_173_386),
        (RESNET50, "0.98", 469_354),
        (RESNET50, "0", RESNET50),
        (7, "1", 0),
    ],
)
def test_kept_counts_are_those_of_exact_arithmetic(total: int, sparsity: str, kept: int) -> None:
    assert kept_count(total, Fraction(sparsity)) == kept


def test_half_a_weight_is_pruned() -> None:
    assert [kept_count(total, Fraction(1, 2)) for total in range(6)] == [0, 0, 1, 1, 2, 2]


def test_a_sparsity_that_no_float_holds_is_counted_exactly() -> None:
    total = 10**17  # in floats 0.3 * 10**17 misses the integer
    assert kept_count(total, Fraction(3, 10)) == 7 * 10**16


@pytest.mark.parametrize(
    ("shares", "counts"),
    [
        (["1/2", "1/2"], [1, 0]),
        (["1/3", "1/3", "1/3"], [1, 0, 0]),
        (["1/4", "1/2", "1/4"], [0, 1, 0]),
        (["3/2", "1/2", "2"], [2, 0, 2]),
        (["2/3", "2/3", "2/3"], [1, 1, 0]),
        (["5", "0", "7"], [5, 0, 7]),
        (["0.6", "0.7", "0.7"], [0, 1, 1]),
    ],
)
def test_the_largest_remainder_gets_the_unit_and_on_a_tie_the_earlier(
    shares: list[str], counts: list[int]
) -> None:
    exact = [Fraction(share) for share in shares]
    assert largest_remainder(exact, int(sum(exact))) == counts


def test_rounded_shares_keep_their_sum_and_stay_next_to_their_share() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        weights = [int(w) for w in random.integers(0, 9, size=random.integers(1, 9))]
        total = int(random.integers(0, 50))
        if sum(weights) == 0:
            continue
        shares = [Fraction(total * w, sum(weights)) for w in weights]
        counts = largest_remainder(shares, total)
        assert sum(counts) == total
        assert all(abs(count - share) < 1 for count, share in zip(counts, shares, strict=True))


@pytest.mark.parametrize("levels", [1, 2, 4, 1000])
def test_the_kept_are_the_back_of_the_order_by_score_and_index(levels: int) -> None:
    random = np.random.default_rng(levels)
    for _ in range(100):
        size = int(random.integers(1, 30))
        score = random.integers(-levels // 2, levels, size).astype(np.float32)
        among = random.random(size) < random.choice([0.2, 0.7, 1.0])
        for count in {0, int(among.sum()), int(random.integers(0, among.sum() + 1))}:
            kept = keep_largest(torch.from_numpy(score), count, torch.from_numpy(among))
            assert kept.dtype == torch.bool
            assert kept.tolist() == slow_keep_largest(score.tolist(), count, among.tolist())


def test_of_all_zero_scores_the_later_are_kept() -> None:
    among = torch.tensor([True, True, False, True, True])
    kept = keep_largest(torch.zeros(5), 2, among)
    assert kept.tolist() == [False, False, False, True, True]


def test_minus_zero_and_zero_are_the_same_score() -> None:
    kept = keep_largest(torch.tensor([0.0, -0.0, 0.0, -0.0]), 2, torch.ones(4, dtype=torch.bool))
    assert kept.tolist() == [False, False, True, True]


def test_nothing_can_be_kept_among_nothing() -> None:
    nowhere = torch.zeros(3, dtype=torch.bool)
    assert not keep_largest(torch.ones(3), 0, nowhere).any()


@pytest.mark.parametrize("count", [-1, 3, 4])
def test_keeping_more_than_there_is_or_less_than_nothing_is_refused(count: int) -> None:
    among = torch.tensor([True, False, True, False])
    with pytest.raises(ValueError, match=f"cannot keep {count} of 2 positions"):
        keep_largest(torch.ones(4), count, among)


def test_selecting_changes_neither_scores_nor_positions() -> None:
    score, among = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([True, True, True])
    keep_largest(score, 2, among)
    assert score.tolist() == [3.0, 1.0, 2.0]
    assert among.tolist() == [True, True, True]


class Sorted(TorchDispatchMode):
    """Notes how many numbers are sorted at once."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths: list[int] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket in {torch.ops.aten.sort, torch.ops.aten.topk}:
            self.lengths.append(args[0].numel())
        return function(*args, **(kwargs or {}))


KINDS = {
    "all different": lambda random, size: random.normal(size=size),
    "few levels": lambda random, size: np.round(random.normal(size=size) * 2) / 2,
    "mostly zero": lambda random, size: random.normal(size=size) * (random.random(size) < 0.1),
    "all zero": lambda random, size: np.zeros(size),
    "ascending": lambda random, size: np.sort(random.normal(size=size)),
    "one in many": lambda random, size: np.where(np.arange(size) % 97 == 0, 1.0, 0.0),
    "signed zeros": lambda random, size: np.where(random.random(size) < 0.5, 0.0, -0.0),
    "with infinities": lambda random, size: np.where(
        random.random(size) < 0.1, np.inf, random.normal(size=size)
    ),
}


def assert_same_mask(score: torch.Tensor, count: int, among: torch.Tensor) -> None:
    """The ways of a CPU and of a GPU give the mask of a look at the whole order."""
    plain, total = keep_largest_plainly(score, count, among), int(among.sum())
    for fast in (keep_largest(score, count, among), largest_on_gpu(score, count, among, total)):
        assert fast is not None
        assert fast.dtype == torch.bool
        assert torch.equal(fast, plain)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_a_few_passes_give_the_mask_of_a_look_at_the_whole_order(kind: str, share: float) -> None:
    random = np.random.default_rng(0)
    size = 400_000  # more than is looked at in one piece, and than are sorted out at once
    score = torch.from_numpy(KINDS[kind](random, size).astype(np.float32))
    among = torch.from_numpy(random.random(size) < share)
    total = int(among.sum())
    for count in (1, total // 10, total // 2, total - 1):
        assert_same_mask(score, count, among)


@pytest.mark.parametrize("period", [7, 61, 122])
def test_scores_of_which_a_sample_is_a_wrong_guess_cost_time_and_no_bit(period: int) -> None:
    """A sample of the scores misleads about all of them: it is larger, smaller or equal."""
    random = np.random.default_rng(1)
    size = 1_000_003  # of which a sample takes every 61st
    there = np.arange(size) % period == 0
    among = torch.ones(size, dtype=torch.bool)
    for other in (random.random(size), np.zeros(size), np.sort(random.random(size))):
        for at in (random.random(size) + 2, random.random(size) - 2, np.full(size, 0.5)):
            score = torch.from_numpy(np.where(there, at, other).astype(np.float32))
            for count in (size // 100, size // 2):
                assert_same_mask(score, count, among)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scores_of_every_precision_are_told_apart_exactly(dtype: torch.dtype) -> None:
    random = np.random.default_rng(2)
    score = torch.from_numpy(random.normal(size=LARGE)).to(dtype)
    assert_same_mask(score, LARGE // 6, torch.ones(len(score), dtype=torch.bool))
    among = torch.from_numpy(random.random(len(score)) < 0.5)
    assert_same_mask(score[::2], 1000, among[::2])  # not contiguous


def test_scores_that_are_no_numbers_are_kept_as_they_were_before() -> None:
    score = torch.from_numpy(np.random.default_rng(3).normal(size=LARGE))
    score[7::100] = float("nan")
    count, among = LARGE // 2, torch.ones(len(score), dtype=torch.bool)
    kept = keep_largest(score, count, among)
    assert torch.equal(kept, keep_largest_plainly(score, count, among))
    assert largest_on_gpu(score, count, among, LARGE) is None  # left to the same look at all


def test_scores_that_are_no_numbers_count_as_infinite_and_the_count_stays_exact() -> None:
    score = torch.tensor([1.0, torch.nan, 3.0, torch.inf, torch.nan, 0.0])
    orders = [[4], [3, 4], [1, 3, 4], [1, 2, 3, 4], [0, 1, 2, 3, 4]]
    for count, kept in enumerate(orders, 1):
        found = keep_largest(score, count, torch.ones(6, dtype=torch.bool))
        assert found.nonzero().squeeze(1).tolist() == kept


def test_a_gpu_sorts_a_sample_and_the_few_scores_that_may_be_the_smallest_kept() -> None:
    size = 2_000_000
    score = torch.from_numpy(np.random.default_rng(4).normal(size=size).astype(np.float32))
    with Sorted() as seen:
        largest_on_gpu(score, size // 10, torch.ones(size, dtype=torch.bool), size)
    assert len(seen.lengths) == 2
    assert max(seen.lengths) < 2 * SAMPLE


def test_on_a_gpu_the_largest_are_those_of_the_cpu_after_a_few_waits(gpu: GPU) -> None:
    random = np.random.default_rng(5)
    score = torch.from_numpy(KINDS["few levels"](random, LARGE).astype(np.float32))
    among = torch.from_numpy(random.random(LARGE) < 0.5)
    there = score.to(gpu.device), among.to(gpu.device)
    for count in (1, LARGE // 9, LARGE // 4):
        before = gpu.waits.total()
        kept = keep_largest(there[0], count, there[1])
        assert gpu.waits.total() <= before + 8
        assert torch.equal(kept.cpu(), keep_largest(score, count, among))
