"""Hand-written tables, and slow references in numpy that follow the text of FGGP.md."""

from dataclasses import replace
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fggp.methods import METHODS
from fggp.pruning.annealing import RateSchedule
from fggp.pruning.mask_update import Score, Update, gradient, magnitude, random_score
from fggp.pruning.rules import DropGrow, PruneTo, Rule, Sequence
from fggp.pruning.schedules import Constant, Linear
from fggp.pruning.selections import Largest, TwoStage

Vector = NDArray[np.float32]
Mask = NDArray[np.bool_]

WEIGHT = [0.1, -0.8, 0.3, 0.0, 0.5, -0.2, 0.7, 0.4]
GRADIENT = [-0.9, 0.1, 0.8, 0.7, -0.2, 0.6, 0.3, 0.0]
ACTIVE = [0, 1, 2, 4, 5, 6, 7]


def update(
    weight: Any, gradients: Any, active: Any, keep: int, sizes: tuple[int, ...] | None = None
) -> Update:
    mask = torch.zeros(len(weight), dtype=torch.bool)
    mask[torch.as_tensor(np.asarray(active, dtype=np.int64))] = True
    return Update(
        weight=torch.as_tensor(weight, dtype=torch.float32),
        dense_gradient=None if gradients is None else torch.as_tensor(gradients).float(),
        mask=mask,
        survived=mask,
        sizes=sizes or (len(weight),),
        keep=keep,
        window=Fraction(1, 2),
        training=Fraction(1, 4),
        random=np.random.default_rng(0),
    )


def positions(mask: torch.Tensor) -> list[int]:
    found: list[int] = mask.nonzero().squeeze(1).tolist()
    return found


def two_stage(first: Score, second: Score, rate: str) -> Rule:
    return PruneTo(TwoStage(first, second, RateSchedule(Constant(Fraction(rate)))))


GMP = PruneTo(Largest(magnitude))
BY_GRADIENT = PruneTo(Largest(gradient))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (GMP, [1, 4, 6, 7]),
        (BY_GRADIENT, [0, 2, 5, 6]),
        (two_stage(gradient, magnitude, "0"), [0, 2, 5, 6]),
        (two_stage(gradient, magnitude, "1/4"), [0, 1, 2, 5]),
        (two_stage(gradient, magnitude, "3/8"), [0, 1, 2, 6]),
        (two_stage(gradient, magnitude, "1/2"), [0, 1, 2, 6]),
        (two_stage(gradient, magnitude, "3/4"), [0, 1, 4, 6]),
        (two_stage(gradient, magnitude, "1"), [1, 4, 6, 7]),
        (two_stage(magnitude, gradient, "0"), [1, 4, 6, 7]),
        (two_stage(magnitude, gradient, "1/4"), [0, 1, 4, 6]),
        (two_stage(magnitude, gradient, "3/4"), [0, 1, 2, 5]),
        (two_stage(magnitude, gradient, "1"), [0, 2, 5, 6]),
    ],
)
def test_pruning_rules_keep_what_the_hand_written_table_says(rule: Rule, kept: list[int]) -> None:
    after = rule(update(WEIGHT, GRADIENT, ACTIVE, keep=4))
    assert positions(after.mask) == kept
    assert positions(after.survived) == kept
    assert after.weight.tolist() == pytest.approx(
        [w if i in kept else 0 for i, w in enumerate(WEIGHT)]
    )


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (BY_GRADIENT, [4, 5, 6, 7]),
        (two_stage(gradient, magnitude, "1/2"), [1, 4, 6, 7]),
        (two_stage(gradient, magnitude, "1/4"), [1, 5, 6, 7]),
        (two_stage(magnitude, gradient, "1/2"), [1, 5, 6, 7]),
    ],
)
def test_zero_gradients_all_tie_and_the_later_position_wins(rule: Rule, kept: list[int]) -> None:
    after = rule(update(WEIGHT, [0] * 8, ACTIVE, keep=4))
    assert positions(after.mask) == kept


def test_equal_magnitudes_tie_and_the_later_position_wins() -> None:
    assert positions(GMP(update([1, -1] * 4, GRADIENT, ACTIVE, keep=4)).mask) == [4, 5, 6, 7]


@pytest.mark.parametrize("keep", [0, 7])
@pytest.mark.parametrize("rate", ["0", "1/3", "1"])
def test_keeping_nothing_or_everything_is_possible(keep: int, rate: str) -> None:
    after = two_stage(gradient, magnitude, rate)(update(WEIGHT, GRADIENT, ACTIVE, keep))
    assert positions(after.mask) == ACTIVE[:keep]


def test_a_rate_is_read_at_the_progress_of_the_training() -> None:
    annealed = PruneTo(
        TwoStage(gradient, magnitude, RateSchedule(Linear(Fraction(1), Fraction(0))))
    )
    state = update(WEIGHT, GRADIENT, ACTIVE, keep=4)  # a quarter of the training: r = 3/4
    assert positions(annealed(state).mask) == [0, 1, 4, 6]


@pytest.mark.parametrize("rule", [BY_GRADIENT, two_stage(gradient, magnitude, "1/2")])
def test_cleared_gradients_are_refused_with_the_fix(rule: Rule) -> None:
    with pytest.raises(RuntimeError, match=r"before optimizer\.zero_grad\(\)"):
        rule(update(WEIGHT, None, ACTIVE, keep=4))


def test_magnitude_pruning_asks_for_no_gradient() -> None:
    assert positions(GMP(update(WEIGHT, None, ACTIVE, keep=4)).mask) == [1, 4, 6, 7]


HALF_EXCHANGED = DropGrow(magnitude, gradient, Constant(Fraction(1, 2)))


def test_dropping_and_growing_follow_the_hand_written_table() -> None:
    state = update(
        [0.1, -0.8, 0.3, 0.0, 0.5, 0.0, 0.0, 0.4],
        [-0.9, 0.1, 0.2, 0.7, 0.2, -0.6, 0.3, 0.0],
        [0, 1, 2, 4, 7],
        keep=5,
        sizes=(4, 4),
    )
    after = HALF_EXCHANGED(state)
    # Layer 1 drops 0 and 2 and grows 0, which so keeps its value, and 3; layer 2 drops 7, grows 5.
    assert positions(after.mask) == [0, 1, 3, 4, 5]
    assert positions(after.survived) == [0, 1, 4]
    assert after.weight.tolist() == pytest.approx([0.1, -0.8, 0, 0, 0.5, 0, 0, 0])


@pytest.mark.parametrize("fraction", ["0", "1/1000", "1/2", "1"])
def test_an_exchange_keeps_every_layers_count_where_all_gradients_are_zero(fraction: str) -> None:
    rule = DropGrow(magnitude, gradient, Constant(Fraction(fraction)))
    state = update(WEIGHT, [0] * 8, ACTIVE, keep=7, sizes=(5, 3))
    after = rule(state)
    assert [int(part.sum()) for part in after.mask.split([5, 3])] == [4, 3]


def test_an_exchange_of_equal_magnitudes_drops_no_more_than_its_share() -> None:
    state = update([1.0] * 6 + [0.0] * 2, GRADIENT, range(6), keep=6)
    # Of six equal weights the first three are dropped; among 0, 1, 2, 6 and 7, the gradients of
    # 0, 2 and 6 are the largest.
    after = HALF_EXCHANGED(state)
    assert positions(after.mask) == [0, 2, 3, 4, 5, 6]
    assert positions(after.survived) == [0, 2, 3, 4, 5]


def test_granet_grows_what_it_pruned_from_zero_and_what_it_dropped_with_its_value() -> None:
    rule = Sequence((GMP, DropGrow(magnitude, gradient, Constant(Fraction(1, 3)))))
    weight = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    after = rule(update(weight, [0.9, 0.1, 0.8, 0.2, 0, 0, 0, 0], range(8), keep=6))
    # Pruned: 0 and 1. Dropped: 2 and 3. Grown again: 0 and 2.
    assert positions(after.mask) == [0, 2, 4, 5, 6, 7]
    assert positions(after.survived) == [2, 4, 5, 6, 7]
    assert after.weight.tolist() == pytest.approx([0, 0, 0.3, 0, 0.5, 0.6, 0.7, 0.8])


def ascending(score: Vector, among: Mask) -> list[int]:
    return sorted(np.flatnonzero(among).tolist(), key=lambda i: (score[i], i))


def marked(size: int, chosen: list[int]) -> Mask:
    mask = np.zeros(size, dtype=bool)
    mask[chosen] = True
    return mask


def back(score: Vector, count: int, among: Mask) -> Mask:
    order = ascending(score, among)
    return marked(len(score), order[len(order) - count :])


def protect_and_fill(
    first: Vector, second: Vector, active: Mask, keep: int, rate: Fraction
) -> Mask:
    filled = ceil(rate * keep)
    protected = back(first, keep - filled, active)
    return protected | back(second, filled, active & ~protected)


def prune_in_a_pool(first: Vector, second: Vector, active: Mask, keep: int, rate: Fraction) -> Mask:
    surplus = int(active.sum()) - keep
    pool = ascending(first, active)[: surplus + ceil(rate * keep)]
    pruned = ascending(second, marked(len(first), pool))[:surplus]
    return active & ~marked(len(first), pruned)


def prune_then_restore(
    first: Vector, second: Vector, active: Mask, keep: int, rate: Fraction
) -> Mask:
    over = back(first, keep - ceil(rate * keep), active)
    return over | back(second, ceil(rate * keep), active & ~over)


def cases(count: int) -> list[tuple[Vector, Vector, Mask, int, Fraction]]:
    random = np.random.default_rng(5)
    made = []
    for _ in range(count):
        size, levels = int(random.integers(1, 25)), int(random.choice([1, 3, 50]))
        active = random.random(size) < random.choice([0.3, 0.8, 1])
        weight = random.integers(-levels, levels + 1, size).astype(np.float32) * active
        slope = random.integers(-levels, levels + 1, size).astype(np.float32)
        keep = int(random.integers(0, active.sum() + 1))
        made.append((weight, slope, active, keep, Fraction(int(random.integers(0, 9)), 8)))
    return made


@pytest.mark.parametrize("formulation", [protect_and_fill, prune_in_a_pool, prune_then_restore])
@pytest.mark.parametrize("gradient_first", [True, False], ids=["gradient-first", "magnitude-first"])
def test_the_three_formulations_give_the_same_mask(formulation: Any, gradient_first: bool) -> None:
    for weight, slope, active, keep, rate in cases(300):
        scores, parts = (np.abs(slope), np.abs(weight)), (gradient, magnitude)
        if not gradient_first:
            scores, parts = scores[::-1], parts[::-1]
        state = update(weight, slope, np.flatnonzero(active), keep)
        after = PruneTo(TwoStage(*parts, RateSchedule(Constant(rate))))(state)
        assert after.mask.numpy().tolist() == formulation(*scores, active, keep, rate).tolist()


@pytest.mark.parametrize(
    ("first", "second", "rate", "limit"),
    [
        (gradient, magnitude, "1", GMP),
        (gradient, magnitude, "0", BY_GRADIENT),
        (magnitude, gradient, "0", GMP),
        (magnitude, gradient, "1", BY_GRADIENT),
    ],
    ids=["r=1", "r=0", "twin-r=0", "twin-r=1"],
)
def test_in_the_limits_one_criterion_decides_alone(
    first: Score, second: Score, rate: str, limit: Rule
) -> None:
    for weight, slope, active, keep, _ in cases(100):
        state = update(weight, slope, np.flatnonzero(active), keep)
        assert torch.equal(two_stage(first, second, rate)(state).mask, limit(state).mask)


@pytest.mark.parametrize("weights", ["forward", "stepped"])
@pytest.mark.parametrize("limit", [{"rho": 1}, {"rho": 0, "order": "magnitude-first"}])
def test_the_registered_fggp_in_its_limit_is_the_registered_gmp_at_equal_weights(
    limit: dict[str, Any], weights: str
) -> None:
    fggp = METHODS["fggp"].recipe(**limit, weights=weights).rule
    gmp = METHODS["gmp"].recipe(weights=weights).rule
    assert fggp is not None
    assert gmp is not None
    for weight, slope, active, keep, _ in cases(100):
        before = torch.from_numpy(weight[::-1].copy())
        state = update(weight, slope, np.flatnonzero(active), keep)
        state = replace(state, weight_before=before * state.mask)
        assert torch.equal(fggp(state).mask, gmp(state).mask)


def test_fggp_reads_the_weights_of_the_forward_pass_and_gmp_those_after_the_step() -> None:
    state = update([1, 2, 3, 4], [1, 1, 1, 1], [0, 1, 2, 3], keep=2)
    state = replace(state, weight_before=torch.tensor([4.0, 3.0, 2.0, 1.0]))
    for name, default, forward, stepped in (
        ("fggp", [0, 1], [0, 1], [2, 3]),
        ("gmp", [2, 3], [0, 1], [2, 3]),
    ):
        settings = {"rho": 1} if name == "fggp" else {}
        kept = [
            positions(METHODS[name].recipe(**settings, **weights).rule(state).mask)  # type: ignore[misc]
            for weights in ({}, {"weights": "forward"}, {"weights": "stepped"})
        ]
        assert kept == [default, forward, stepped]


def test_a_floor_is_kept_by_the_magnitudes_that_the_rule_reads() -> None:
    state = update([1, 2, 3, 4], [4, 3, 2, 1], [0, 1, 2, 3], keep=1)
    state = replace(state, weight_before=torch.tensor([4.0, 3.0, 2.0, 1.0]))
    for weights, kept in (("forward", [0]), ("stepped", [3])):
        rule = METHODS["fggp"].recipe(floor="1/4", weights=weights).rule
        assert rule is not None
        assert positions(rule(state).mask) == kept


def test_the_registered_fggp_protects_by_gradient_first_at_one_half() -> None:
    assert METHODS["fggp"].recipe() == METHODS["fggp"].recipe(pool="active", rho="1/2")
    stepped = METHODS["fggp"].recipe(pool="kept", weights="stepped")
    assert stepped.rule == two_stage(gradient, magnitude, "1/2")


def slow_granet(
    weight: Vector, slope: Vector, active: Mask, keep: int, fraction: Fraction, sizes: list[int]
) -> tuple[Mask, Vector]:
    pruned = back(np.abs(weight), keep, active)
    after, value = pruned.copy(), weight * pruned
    start = 0
    for size in sizes:
        layer = slice(start, start + size)
        start += size
        count = int(pruned[layer].sum())
        dropped = ceil(fraction * count)
        kept = back(np.abs(value[layer]), count - dropped, pruned[layer])
        after[layer] = kept | back(np.abs(slope[layer]), dropped, ~kept)
    return after, weight * (pruned & after)


@pytest.mark.parametrize("fraction", ["0", "1/100", "1/2", "1"])
def test_granet_agrees_with_a_slow_reference(fraction: str) -> None:
    rule = Sequence((GMP, DropGrow(magnitude, gradient, Constant(Fraction(fraction)))))
    for weight, slope, active, keep, _ in cases(100):
        sizes = [len(weight) // 2, len(weight) - len(weight) // 2]
        state = update(weight, slope, np.flatnonzero(active), keep, tuple(sizes))
        after = rule(state)
        mask, value = slow_granet(weight, slope, active, keep, Fraction(fraction), sizes)
        assert after.mask.numpy().tolist() == mask.tolist()
        assert after.weight.numpy().tolist() == value.tolist()


@pytest.mark.parametrize("name", ["fggp", "gmp", "granet"])
def test_a_rule_leaves_what_it_was_given_as_it_was(name: str) -> None:
    rule = METHODS[name].recipe().rule
    state = update(WEIGHT, GRADIENT, ACTIVE, keep=4, sizes=(5, 3))
    copies = [t.clone() for t in (state.weight, state.gradient, state.mask, state.survived)]
    assert rule is not None
    rule(state)
    for before, now in zip(
        copies, (state.weight, state.gradient, state.mask, state.survived), strict=True
    ):
        assert torch.equal(before, now)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_random_growth_finds_the_same_places_in_every_precision(dtype: torch.dtype) -> None:
    rule = DropGrow(magnitude, random_score, Constant(Fraction(1, 2)))
    plain = update(np.arange(4096) < 64, None, range(64), 64)
    coarse = replace(plain, weight=plain.weight.to(dtype), random=np.random.default_rng(0))
    assert positions(rule(coarse).mask) == positions(rule(plain).mask)
