"""Elastic mutation: a hand-written table, a slow reference, and the counts of whole trainings."""

from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, TOTAL, network
from numpy.typing import NDArray
from torch import nn

import fggp
from fggp.foundation.exact import kept_count, largest_remainder
from fggp.methods import METHODS
from fggp.pruning.annealing import RateSchedule
from fggp.pruning.elastic_mutation import PruneGrow, Surplus
from fggp.pruning.mask_update import Blend, Update, gradient, magnitude, random_score
from fggp.pruning.schedules import Constant, Staged
from fggp.pruning.timing import Timing

Vector = NDArray[np.float32]
Mask = NDArray[np.bool_]


def update(
    weight: Any, slope: Any, active: Any, keep: int, sizes: tuple[int, ...], seed: int = 0
) -> Update:
    mask = torch.as_tensor(np.asarray(active, dtype=bool))
    return Update(
        weight=torch.as_tensor(np.asarray(weight, dtype=np.float32)) * mask,
        dense_gradient=None if slope is None else torch.as_tensor(np.float32(slope)),
        mask=mask,
        survived=mask,
        sizes=sizes,
        keep=keep,
        window=Fraction(1, 2),
        training=Fraction(1, 4),
        random=np.random.default_rng(seed),
    )


def rule(share: str, score: Any = magnitude, grow: Any = gradient) -> PruneGrow:
    return PruneGrow(score, grow, RateSchedule(Constant(Fraction(share))))


def positions(mask: torch.Tensor) -> list[int]:
    found: list[int] = mask.nonzero().squeeze(1).tolist()
    return found


def test_pruning_and_growing_follow_the_hand_written_table() -> None:
    weight = [0.1, -0.8, 0.3, 0.0, 0.5, -0.2, 0.0, 0.0]
    slope = [-0.9, 0.1, 0.2, 0.7, 0.2, -0.6, 0.3, 0.8]
    active = [1, 1, 1, 0, 1, 1, 0, 0]
    after = rule("1/2")(update(weight, slope, active, 5, (4, 4)))
    # Half of three would be two, but layer 1 has one free place: of 0, 1 and 2 it prunes 0, which
    # its gradient then brings back, from zero. Layer 2 prunes 5 and grows 7.
    assert positions(after.mask) == [0, 1, 2, 4, 7]
    assert positions(after.survived) == [1, 2, 4]
    assert after.weight.tolist() == pytest.approx([0, -0.8, 0.3, 0, 0.5, 0, 0, 0])


def test_fewer_weights_than_before_are_kept_in_proportion() -> None:
    weight = np.arange(1, 13)
    after = rule("1/3", grow=magnitude)(update(weight, None, [1] * 8 + [0] * 4, 6, (8, 4)))
    # Six of eight stay in layer 1, two of them grown from zero among all that are not the largest
    # four; layer 2 has nothing to share.
    assert positions(after.survived) == [4, 5, 6, 7]
    assert positions(after.mask) == [2, 3, 4, 5, 6, 7]
    assert after.weight.tolist() == [0, 0, 0, 0, 5, 6, 7, 8, 0, 0, 0, 0]


def slow(
    weight: Vector, slope: Vector, grow: Vector, active: Mask, keep: int, share: Fraction,
    sizes: tuple[int, ...], factor: float,
) -> tuple[Mask, Mask]:  # fmt: skip
    """The new mask and what survives, layer by layer with sorted lists."""
    new, stay = np.zeros_like(active), np.zeros_like(active)
    starts = np.cumsum((0, *sizes))
    counts = [int(active[a:b].sum()) for a, b in pairwise(starts)]
    keeps = largest_remainder([Fraction(keep * n, max(1, sum(counts))) for n in counts], keep)
    for first, size, k in zip(starts, sizes, keeps, strict=False):
        places = range(first, first + size)
        grown = min(ceil(share * k), size - k)
        score = {i: abs(weight[i]) + np.float32(factor) * abs(slope[i]) for i in places}
        ascending = sorted((i for i in places if active[i]), key=lambda i: (score[i], i))
        stay[ascending[len(ascending) - (k - grown) :]] = True
        free = sorted((i for i in places if not stay[i]), key=lambda i: (grow[i], i))
        new[free[len(free) - grown :]] = True
    return new | stay, stay


@pytest.mark.parametrize("factor", [0, 1, 3])
@pytest.mark.parametrize("share", ["0", "1/10", "1/5", "1/3", "1"])
def test_a_sequence_of_updates_agrees_with_a_slow_reference(share: str, factor: int) -> None:
    random = np.random.default_rng(3)
    for seed in range(30):
        sizes = (*(int(n) for n in random.integers(0, 9, size=3)), 6)
        total, levels = sum(sizes), int(random.choice([1, 3, 1000]))  # ties, or none
        active = random.random(total) < random.choice([0.3, 0.7])
        active[: sizes[0]] = seed % 2  # an empty layer, or a dense one
        weight = np.zeros(total, dtype=np.float32)
        keep = int(active.sum())
        for number in range(6):
            step = random.integers(-levels, levels + 1, total).astype(np.float32)
            slope = random.integers(-levels, levels + 1, total).astype(np.float32)
            weight = (weight + step) * active
            keep -= int(random.integers(0, 2)) if keep else 0
            part = PruneGrow(
                Blend(Fraction(factor)), random_score, RateSchedule(Constant(Fraction(share)))
            )
            after = part(update(weight, slope if factor else None, active, keep, sizes, number))
            grow = np.random.default_rng(number).random(total, dtype=np.float32)
            mask, survived = slow(weight, slope, grow, active, keep, Fraction(share), sizes, factor)
            assert after.mask.numpy().tolist() == mask.tolist()
            assert after.survived.numpy().tolist() == survived.tolist()
            assert after.weight.numpy().tolist() == (weight * survived).tolist()
            assert mask.sum() == keep
            weight, active = weight * survived, mask


def test_a_dense_layer_stays_as_it_is() -> None:
    weight = np.arange(1, 9)
    after = rule("1/2", grow=random_score)(update(weight, None, [1] * 4 + [0, 0, 1, 1], 6, (4, 4)))
    assert positions(after.survived)[:4] == [0, 1, 2, 3]


def test_the_gradient_is_asked_for_only_where_it_counts() -> None:
    state = update([1, 2, 3, 4], None, [1, 1, 1, 0], 3, (4,))
    METHODS["mest"].recipe().rule(state)  # type: ignore[misc]
    with pytest.raises(RuntimeError, match=r"before optimizer\.zero_grad\(\)"):
        METHODS["mest"].recipe(gradient_weight=0.5).rule(state)  # type: ignore[misc]


def test_scores_blend_magnitude_and_gradient() -> None:
    state = update([1, -2, 0], [0.5, 0.25, -4], [1, 1, 1], 3, (3,))
    assert Blend(Fraction(1, 2))(state).tolist() == [1.25, 2.125, 2]
    assert Blend(Fraction(0))(state).tolist() == magnitude(state).tolist()


@pytest.mark.parametrize(
    ("progress", "value"),
    [("-1", 3), ("0", 3), ("9/16", 2), ("5624/10000", 3), ("3/4", 1), ("1", 1), ("2", 1)],
)
def test_a_stage_begins_at_its_switch(progress: str, value: int) -> None:
    stages = Staged((Fraction(3), Fraction(2), Fraction(1)), (Fraction(9, 16), Fraction(3, 4)))
    assert stages(Fraction(progress)) == value


@pytest.mark.parametrize(
    ("target", "sparsities"),
    [
        ("0.9", ("0.85", "0.875", "0.9")),  # as in the official scripts
        ("0.95", ("0.925", "0.9375", "0.95")),
        ("0.5", ("0.25", "0.375", "0.5")),
        ("0.2", ("0", "0", "0.2")),
        ("0", ("0", "0", "0")),
    ],
)
def test_a_soft_bound_has_more_weights_until_the_last_stage(
    target: str, sparsities: tuple[str, ...]
) -> None:
    made = METHODS["mest"].recipe(memory="soft-bound").sparsity(Fraction(target), Fraction(target))
    assert [made(Fraction(p)) for p in ("0", "9/16", "3/4")] == [Fraction(s) for s in sparsities]


def test_a_surplus_of_everything_is_the_dense_network() -> None:
    made = Surplus(Staged((Fraction(1), Fraction(0)), (Fraction(1, 2),)))
    assert [made(ZERO, Fraction(9, 10))(Fraction(p)) for p in ("0", "1/2")] == [0, Fraction(9, 10)]


ZERO = Fraction(0)
TIMING = Timing(steps=64, begin=0, end=32, every=2)


def trained(**settings: Any) -> list[tuple[int, int, int, int]]:
    """Kept, and of those grown, per update, with the weights that survived and their momentum."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    method = fggp.method("mest", sparsity=0.9, steps=64, timing=TIMING, **settings)
    pruner = fggp.Pruner(model, optimizer, method, seed=1)
    assert int(flat(pruner.masks.values()).sum()) == method.keep(0, TOTAL)
    rows = []
    for _ in range(64):
        nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        before = flat(pruner.masks.values()).clone()
        number = pruner.step()
        optimizer.zero_grad()
        if number is None:
            continue
        mask = flat(pruner.masks.values())
        weight = flat(pruner.parameters.values())
        momentum = flat(optimizer.state[p]["momentum_buffer"] for p in pruner.parameters.values())
        zero = mask & (weight == 0)
        assert not momentum[zero].any()
        assert zero[mask & ~before].all()
        rows.append((number, int(mask.sum()), int(zero.sum()), int((mask & ~before).sum())))
    return rows


def flat(tensors: Any) -> torch.Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def test_bound_memory_exchanges_a_fifth_then_a_tenth_then_nothing() -> None:
    rows = trained()
    assert [row[0] for row in rows] == list(range(1, 33))
    kept = kept_count(TOTAL, Fraction(9, 10))
    assert {row[1] for row in rows} == {kept}
    # Three layers, of which the last two have free places; each rounds its share up.
    for number, _, zero, grown in rows:
        share = 5 if number < 18 else 10 if number < 24 else 0  # 9/16 and 3/4 of 32
        assert (zero >= kept // share - 3) if share else zero == grown == 0
    assert max(row[2] for row in rows) <= ceil(kept / 5) + 3


def test_soft_bound_memory_lands_on_the_target_in_the_window() -> None:
    rows = trained(memory="soft-bound")
    for number, kept, zero, grown in rows:
        # Of the 16 updates of the window the 9th begins the second stage, the 12th the third.
        sparsity = "0.85" if number < 9 else "0.875" if number < 12 else "0.9"
        assert kept == kept_count(TOTAL, Fraction(sparsity))
        left = kept_count(TOTAL, Fraction(9, 10))
        assert abs(kept - zero - left) <= 3
        assert number < 12 or zero == grown == 0


def test_a_state_of_another_share_is_written_as_it_was_given() -> None:
    settings = METHODS["mest"].settings(shares=["1/4", 0.125], switches=[0.5, "2/3"])
    written = settings.model_dump(mode="json")
    assert written["shares"] == [0.25, 0.125]
    assert written["switches"] == [0.5, "2/3"]
    assert METHODS["mest"].recipe(**written) == METHODS["mest"].recipe(**dict(settings))


def test_a_number_of_weights_that_would_rise_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"shares: 0\.9 comes after 0\.5, .* nearest valid is 0\.5"
    ):
        fggp.method("mest", sparsity=0.9, steps=16, memory="soft-bound", shares=(0.5, 0.9))
    fggp.method("mest", sparsity=0.9, steps=16, shares=(0.5, 0.9))
