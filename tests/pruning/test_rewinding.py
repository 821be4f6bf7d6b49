"""Several trainings in one: the pruned weights, and the weights where each begins again."""

import copy
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, TOTAL, network
from torch import Tensor, nn

import fggp
from fggp.pruning.recipe import Recipe, Rounds
from fggp.pruning.schedules import Geometric
from fggp.pruning.timing import Timing, epochs_of


class Loop:
    def __init__(self, **settings) -> None:
        self.model = network()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        method = fggp.method("imp", sparsity="3/4", share="1/2", **settings)
        self.pruner = fggp.Pruner(self.model, self.optimizer, method)

    def step(self) -> int | None:
        nn.functional.cross_entropy(self.model(IMAGES), LABELS).backward()
        self.optimizer.step()
        update = self.pruner.step()
        self.optimizer.zero_grad()
        return update

    def state(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}


def masked(state: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value * masks.get(name, 1) for name, value in state.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_each_round_removes_at_most_the_share_and_the_last_one_meets_the_target() -> None:
    assert [Rounds(Fraction(1, 5)).number(Fraction(s)) for s in ("0.9", "0.95", "0.98")] == [
        12, 15, 19,
    ]  # fmt: skip
    schedule = Geometric(Fraction(0), Fraction("0.98"))
    left = [1 - schedule(Fraction(c, 18)) for c in range(19)]
    assert left[0] == 1
    assert left[-1] == Fraction("0.02")
    shares = [1 - after / before for before, after in pairwise(left)]
    assert max(shares) <= Fraction(1, 5)
    assert float(max(shares) - min(shares)) < 1e-4


def test_a_round_ends_in_pruning_by_magnitude_and_begins_where_the_first_began() -> None:
    loop = Loop(steps=12)
    start = loop.state()
    timing = loop.pruner.method.timing
    assert timing == Timing.in_rounds(4, 0, 3) == Timing(12, 0, 8, 4)
    for number in (1, 2):
        for _ in range(3):
            assert loop.step() is None
        # one more step, and the largest weights of that are kept
        final = continued(loop)
        assert loop.step() == number
        keep = TOTAL - TOTAL * (2**number - 1) // 2**number
        assert abs(int(sum(mask.sum() for mask in loop.pruner.masks.values())) - keep) <= 1
        names = list(loop.pruner.masks)
        size = np.concatenate([final[name].abs().flatten().numpy() for name in names])
        kept = np.concatenate([loop.pruner.masks[name].flatten().numpy() for name in names])
        assert size[kept].min() >= size[~kept].max()
        assert same(loop.state(), masked(start, loop.pruner.masks))
        assert not loop.optimizer.state
    for _ in range(4):
        assert loop.step() is None
    assert loop.pruner.sparsity == pytest.approx(0.75, abs=1 / TOTAL)


def activated(
    start: list[float], final: list[float], active: list[int], keep: int, share: Fraction
) -> list[int]:
    """Which weights stay, by plain lists: the smallest go, then negative ones that hardly moved."""
    going = len(active) - keep
    last = int(share * going + Fraction(1, 2))
    by_size = sorted(active, key=lambda i: (abs(final[i]), i))
    left = by_size[going - last :]
    negative = [i for i in sorted(left) if final[i] < 0]
    for i in sorted(negative, key=lambda i: (abs(final[i] - start[i]), i))[:last]:
        left.remove(i)
    while len(left) > keep:  # too few negative ones
        left.pop(0)
    return sorted(left)


@pytest.mark.parametrize("share", ["1/10", "1/2", "1"])
@pytest.mark.parametrize("rewind", [0, "1/4"])
def test_a_part_of_what_goes_are_negative_weights_that_have_hardly_moved(
    share: str, rewind: object
) -> None:
    timing = Timing.in_rounds(4, 1 if rewind else 0, 3)
    loop = Loop(steps=timing.steps, timing=timing, rewind=rewind, activate=share)
    names, start = list(loop.pruner.masks), loop.state()
    if rewind:
        loop.step()
        start = loop.state()
    while (made := loop.pruner.steps) < timing.end:
        before = [loop.pruner.masks[name].flatten() for name in names]
        final = continued(loop)
        if loop.step() is None:
            continue
        flat = [torch.cat([it[name].flatten() for name in names]).tolist() for it in (start, final)]
        active = torch.cat(before).nonzero().flatten().tolist()
        kept = torch.cat([loop.pruner.masks[name].flatten() for name in names])
        kept = kept.nonzero().flatten().tolist()
        assert kept == activated(*flat, active, len(kept), Fraction(share)), made


def test_without_a_share_to_activate_it_is_iterative_magnitude_pruning() -> None:
    one, other = Loop(steps=12), Loop(steps=12, activate=0)
    assert one.pruner.method.recipe == other.pruner.method.recipe
    for _ in range(12):
        one.step()
        other.step()
    assert same(one.state(), other.state())


def continued(loop: Loop) -> dict[str, Tensor]:
    """The state after one more step, without the pruner."""
    again = Loop(steps=12)
    again.model.load_state_dict(loop.model.state_dict())
    again.optimizer.load_state_dict(copy.deepcopy(loop.optimizer.state_dict()))
    masks = loop.pruner.masks
    nn.functional.cross_entropy(again.model(IMAGES), LABELS).backward()
    again.optimizer.step()
    return masked(again.state(), masks)


def test_rewinding_goes_back_to_the_state_after_the_share_with_its_momentum() -> None:
    loop = Loop(steps=10, rewind="1/4", timing=Timing.in_rounds(4, 1, 3))
    loop.step()
    kept = loop.state()
    momentum = [it["momentum_buffer"].clone() for it in loop.optimizer.state.values()]
    for _ in range(2):
        loop.step()
    assert loop.step() == 1
    assert same(loop.state(), masked(kept, loop.pruner.masks))
    first = next(iter(loop.pruner.masks.values()))
    assert torch.equal(
        next(iter(loop.optimizer.state.values()))["momentum_buffer"], momentum[0] * first
    )
    assert [loop.step() for _ in range(3)] == [None, None, 2]


def test_a_learning_rate_that_the_loop_has_set_is_not_rewound() -> None:
    loop = Loop(steps=12)
    loop.optimizer.param_groups[0]["lr"] = 0.01
    assert [loop.step() for _ in range(4)][-1] == 1
    assert loop.optimizer.param_groups[0]["lr"] == 0.01


def test_settings_that_a_schedule_has_added_after_the_pruner_was_made_stay() -> None:
    loop, rates = Loop(steps=12), []
    schedule = torch.optim.lr_scheduler.OneCycleLR(loop.optimizer, 0.1, total_steps=13)
    for _ in range(12):
        rates.append(schedule.get_last_lr()[0])
        loop.step()
        schedule.step()
    optimizer = torch.optim.SGD([torch.ones(1)], lr=0.1, momentum=0.9)
    alone = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=13)
    for rate in rates:
        assert rate == alone.get_last_lr()[0]
        optimizer.step()
        alone.step()


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe(), [1, 2, 3, 4]),
        (Recipe(fine_tune=Fraction(1, 2)), [3, 4]),
        (Recipe(fine_tune=Fraction(1, 3)), [3, 4]),
        (Recipe(fine_tune=Fraction(1)), [1, 2, 3, 4]),
        (Recipe(rounds=Rounds(Fraction(1, 2))), [1, 2, 3, 4] * 3),
        (Recipe(rounds=Rounds(Fraction(1, 2), Fraction(1, 2))), [1, 2, 3, 4, 3, 4, 3, 4]),
    ],
    ids=["whole", "half", "rounded-up", "all-again", "rounds", "rewound"],
)
def test_the_epochs_of_a_protocol_are_gone_through_once_in_part_or_in_rounds(
    recipe: Recipe, expected: list[int]
) -> None:
    assert epochs_of(recipe, 4, Fraction(3, 4)) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"share": 0}, "share: 0 is not possible"), ({"rewind": 1}, "rewind: 1 leaves nothing")],
    ids=str,
)
def test_shares_that_make_no_rounds_are_refused(settings, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fggp.method("imp", sparsity=0.9, steps=100, **settings)


@pytest.mark.parametrize(("rewind", "begin", "every"), [(0, 0, 4), ("1/2", 3, 3), ("1/3", 2, 4)])
def test_steps_that_do_not_divide_go_into_the_last_round(rewind, begin: int, every: int) -> None:
    method = fggp.method("imp", sparsity="3/4", share="1/2", steps=14, rewind=rewind)
    timing = method.timing
    assert (timing.steps, timing.begin, timing.every) == (14, begin, every)
    due = [step for step in range(1, 15) if method.update_at(step) is not None]
    assert due == [begin + every, begin + 2 * every]


def test_without_rewind_a_round_begins_at_the_initialization_whatever_the_steps() -> None:
    loop = Loop(steps=14)
    start = loop.state()
    while loop.step() is None:
        pass
    assert same(loop.state(), masked(start, loop.pruner.masks))


@pytest.mark.parametrize(("rewind", "least"), [(0, 15), ("1/2", 16), ("2/3", 17)])
def test_too_few_steps_for_all_rounds_are_refused_with_the_least_number(rewind, least: int) -> None:
    with pytest.raises(ValueError, match=f"too few for 15 trainings; the nearest valid is {least}"):
        fggp.method("imp", sparsity=0.95, steps=least - 1, rewind=rewind)
    assert fggp.method("imp", sparsity=0.95, steps=least, rewind=rewind).timing.updates == 14


def test_rounds_without_anything_to_prune_are_refused() -> None:
    with pytest.raises(ValueError, match="use the method dense"):
        fggp.method("imp", sparsity=0, steps=100)


@pytest.mark.parametrize("prefix", ["", "_orig_mod.", "module.", "module._orig_mod."])
def test_a_state_of_a_wrapped_network_is_read_without_the_wrapper(prefix: str) -> None:
    # Earlier versions saved the names of the wrapper.
    one, other = Loop(steps=12), Loop(steps=12)
    one.pruner = fggp.Pruner(nn.DataParallel(one.model), one.optimizer, one.pruner.method)
    state = copy.deepcopy(one.pruner.state_dict())
    names = state["rewind"]["model"]
    assert names.keys() == one.model.state_dict().keys()
    state["rewind"]["model"] = {f"{prefix}{name}": value for name, value in names.items()}
    other.pruner.load_state_dict(state)
    while one.step() is None:
        assert other.step() is None
    assert other.step() == 1
    assert same(one.state(), other.state())
