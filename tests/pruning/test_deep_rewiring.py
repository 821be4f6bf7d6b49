"""Deep rewiring beside slow references that go weight by weight."""

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, TOTAL, network
from numpy.typing import NDArray
from torch import Tensor, nn

import fggp
from fggp.foundation.random_streams import stream
from fggp.pruning.deep_rewiring import AWAKE, Rewire, fix_signs, signs_of
from fggp.pruning.mask_update import Update
from fggp.pruning.timing import Timing

ZERO = Fraction(0)
STILL = Rewire(ZERO, ZERO, "global")


def update(
    weight: Any,
    active: Any,
    *,
    seed: int = 0,
    number: int = 1,
    sizes: tuple[int, ...] | None = None,
    lr: float = 0.1,
) -> Update:
    mask = torch.as_tensor(np.asarray(active, dtype=bool))
    return Update(
        weight=torch.as_tensor(np.asarray(weight, dtype=np.float32)) * mask,
        dense_gradient=None,
        mask=mask,
        survived=mask,
        sizes=sizes or (len(mask),),
        keep=int(mask.sum()),
        window=Fraction(1),
        training=Fraction(1, 2),
        random=stream(seed, "update", number),
        lr=lr,
        seed=seed,
    )


def signs(seed: int, size: int) -> NDArray[np.float32]:
    return signs_of(update(np.zeros(size), np.ones(size), seed=seed)).numpy().astype(np.float32)


def slow(
    weight: NDArray[np.float32],
    mask: NDArray[np.bool_],
    sizes: tuple[int, ...],
    seed: int,
    number: int,
    *,
    drift: float,
    noise: float,
    lr: float,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Weights, mask and what survived, one weight after the other."""
    random, sign = stream(seed, "update", number), signs(seed, len(weight))
    active = [i for i in range(len(weight)) if mask[i]]
    drawn = (
        random.standard_normal(len(active), dtype=np.float32) if noise else np.zeros(len(active))
    )
    after, awake = np.zeros_like(weight), np.zeros_like(mask)
    for i, z in zip(active, drawn, strict=True):
        theta = (
            weight[i] * sign[i] - np.float32(lr * drift) + np.float32(lr * noise) * np.float32(z)
        )
        if theta > 0:
            after[i], awake[i] = sign[i] * theta, True
    survived = awake.copy()
    first = 0
    for size in sizes:
        places = range(first, first + size)
        asleep = [i for i in places if not awake[i]]
        missing = sum(mask[i] for i in places) - sum(awake[i] for i in places)
        for rank in random.choice(len(asleep), missing, replace=False, shuffle=False):
            awake[asleep[rank]] = True
            after[asleep[rank]] = sign[asleep[rank]] * np.float32(AWAKE)
        first += size
    return after, awake, survived


def test_a_weight_that_loses_its_sign_sleeps_and_another_wakes() -> None:
    sign = signs(0, 8)
    theta = np.array([0.3, -0.1, 0.05, 0, 0.2, 0.1001, 0, 0.4], dtype=np.float32)
    active = np.array([1, 1, 1, 0, 1, 1, 0, 1], dtype=bool)
    after = Rewire(Fraction(1), ZERO, "global")(update(theta * sign, active))
    # The drift of 0.1 leaves 0, 4, 5 and 7; two of 1, 2, 3 and 6 wake.
    kept = [0, 4, 5, 7]
    assert after.survived.nonzero().squeeze(1).tolist() == kept
    assert int(after.mask.sum()) == 6
    assert after.mask[kept].all()
    expected = theta[kept] * sign[kept] - 0.1 * sign[kept]
    assert after.weight[kept].numpy() == pytest.approx(expected, abs=1e-7)
    woken = (after.mask & ~after.survived).nonzero().squeeze(1).tolist()
    assert set(woken) < {1, 2, 3, 6}
    assert after.weight[woken].numpy().tolist() == (sign[woken] * np.float32(1e-12)).tolist()
    assert not after.weight[~after.mask].any()


def test_without_noise_and_drift_weights_that_keep_their_signs_stay_to_the_bit() -> None:
    weight = np.abs(np.random.default_rng(0).normal(size=50)).astype(np.float32) * signs(0, 50)
    state = update(weight, np.arange(50) % 3 > 0)
    after = STILL(state)
    assert torch.equal(after.weight, state.weight)
    assert torch.equal(after.mask, state.mask)
    assert torch.equal(after.survived, state.mask)


def test_a_weight_that_is_exactly_zero_sleeps() -> None:
    after = STILL(update([0.0, 0.0, 1.0, 1.0] * signs(0, 4), [1, 0, 1, 1]))
    assert not after.survived[0]
    assert int(after.mask.sum()) == 3


@pytest.mark.parametrize("lr", [0.0, 0.001, 0.1])
def test_drift_and_noise_are_scaled_by_the_learning_rate(lr: float) -> None:
    sign = signs(0, 1000)
    state = update(sign, np.ones(1000), lr=lr)
    moved = Rewire(Fraction(2), Fraction(3), "global")(state).weight.numpy() * sign - 1
    assert moved.mean() == pytest.approx(-2 * lr, abs=0.4 * lr)
    assert moved.std() == pytest.approx(3 * lr, abs=0.3 * lr)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("noise", [ZERO, Fraction(1, 2)])
def test_a_sequence_of_updates_agrees_with_the_slow_reference(scope: Any, noise: Fraction) -> None:
    random = np.random.default_rng(7)
    for seed in range(25):
        sizes = (*(int(n) for n in random.integers(0, 9, size=4)), 5)
        total = sum(sizes)
        mask = random.random(total) < random.choice([0.2, 0.5, 1.0])
        mask[: sizes[0]] = seed % 2  # a layer that is empty or dense
        weight = random.normal(size=total).astype(np.float32) * mask
        weight[random.random(total) < 0.2] = 0
        rule = Rewire(Fraction(3, 10), noise, scope)
        counts = mask.sum()
        for number in range(1, 9):
            step = (random.normal(size=total) * 0.3).astype(np.float32)
            weight = (weight + step) * mask
            state = update(weight, mask, seed=seed, number=number, sizes=sizes)
            after = rule(state)
            parts = sizes if scope == "layer" else (total,)
            weight, new, survived = slow(
                weight, mask, parts, seed, number, drift=0.3, noise=float(noise), lr=0.1
            )
            assert after.mask.numpy().tolist() == new.tolist()
            assert after.survived.numpy().tolist() == survived.tolist()
            assert after.weight.numpy() == pytest.approx(weight, rel=1e-5, abs=1e-7)
            assert (np.sign(weight[new]) == signs(seed, total)[new]).all()
            if scope == "layer":
                before = [int(part.sum()) for part in state.by_layer(state.mask)]
                assert [int(part.sum()) for part in after.by_layer(after.mask)] == before
            assert new.sum() == counts
            weight, mask = after.weight.numpy(), new


def test_every_sleeping_weight_wakes_equally_often() -> None:
    seen: Counter[int] = Counter()
    active = np.arange(12) < 4
    for seed in range(1000):
        weight = np.where(np.arange(12) < 2, -1, 1) * signs(seed, 12)  # 0 and 1 lose their sign
        after = STILL(update(weight, active, seed=seed))
        seen.update((after.mask & ~after.survived).nonzero().squeeze(1).tolist())
    # Two of ten each time, the two that just fell asleep among them.
    assert sorted(seen) == [0, 1, *range(4, 12)]
    assert all(abs(count - 200) < 4 * (1000 * 0.2 * 0.8) ** 0.5 for count in seen.values())


def test_signs_are_a_function_of_the_seed_alone() -> None:
    one, again, other = signs(3, 5000), signs(3, 5000), signs(4, 5000)
    assert one.tolist() == again.tolist()
    assert one.tolist() != other.tolist()
    assert set(one.tolist()) == {-1, 1}
    assert abs(one.sum()) < 4 * 5000**0.5
    assert abs((one * other).sum()) < 4 * 5000**0.5


def test_weights_start_with_their_magnitudes_and_their_signs() -> None:
    state = update([0.5, -0.25, 0.0, 3.0], [1, 1, 0, 1], seed=2)
    after = fix_signs(state)
    assert after.weight.abs().tolist() == [0.5, 0.25, 0.0, 3.0]
    active = state.mask.numpy()
    assert (np.sign(after.weight.numpy()) == signs(2, 4))[active].all()
    assert after.survived is state.survived


TIMING = Timing(steps=24, begin=0, end=12, every=3)


def pruner_of(model: nn.Module, optimizer: torch.optim.Optimizer, **settings: Any) -> fggp.Pruner:
    method = fggp.method("deep-r", sparsity=0.9, steps=24, timing=TIMING, **settings)
    return fggp.Pruner(model, optimizer, method, seed=5)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_a_training_agrees_with_a_plain_one_and_its_count_is_exact_at_every_step(
    scope: str,
) -> None:
    models = network(), network()
    one, other = (
        torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-3)
        for model in models
    )
    pruner = pruner_of(models[0], one, scope=scope, drift=0.01, noise=0.02)
    sizes = tuple(mask.numel() for mask in pruner.masks.values())
    weights = [p for p in models[1].parameters() if p.ndim > 1]
    mask = flat(list(pruner.masks.values())).numpy().copy()
    sign = signs(5, TOTAL)
    spread(np.abs(flat(weights).numpy()) * sign * mask, weights)
    assert torch.equal(flat(weights), flat(list(pruner.parameters.values())))
    woken = 0
    for step in range(1, 25):
        lr = 0.1 if step < 13 else 0.01
        for model, optimizer in zip(models, (one, other), strict=True):
            optimizer.param_groups[0]["lr"] = lr
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
            optimizer.step()
        pruner.step()
        weight = flat(weights).numpy() * mask
        parts = sizes if scope == "layer" else (TOTAL,)
        weight, mask, survived = slow(weight, mask, parts, 5, step, drift=0.01, noise=0.02, lr=lr)
        spread(weight, weights)
        buffers = [other.state[w]["momentum_buffer"] for w in weights]
        spread(flat(buffers).numpy() * survived, buffers)
        woken += int((mask & ~survived).sum())
        assert np.array_equal(flat(list(pruner.masks.values())).numpy(), mask)
        assert flat(list(pruner.parameters.values())).numpy() == pytest.approx(weight, abs=1e-5)
        spread(flat(list(pruner.parameters.values())).numpy(), weights)  # no drift of the last bits
        own = [one.state[p]["momentum_buffer"] for p in pruner.parameters.values()]
        assert not flat(own)[~torch.from_numpy(survived)].any()
        assert mask.sum() == 63
    assert woken > 20


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([t.detach().flatten() for t in tensors]).clone()


@torch.no_grad()
def spread(vector: NDArray[np.float32], tensors: list[Tensor]) -> None:
    sizes = [t.numel() for t in tensors]
    for part, tensor in zip(torch.from_numpy(vector.copy()).split(sizes), tensors, strict=True):
        tensor.copy_(part.view(tensor.shape))


def test_a_dense_network_has_nobody_to_wake_but_those_that_fell_asleep() -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    method = fggp.method("deep-r", sparsity=0, steps=24, timing=TIMING)
    pruner = fggp.Pruner(model, optimizer, method)
    for _ in range(4):
        nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
        assert pruner.sparsity == 0


def test_drift_and_noise_of_a_weight_have_the_learning_rate_of_its_parameter_group() -> None:
    moved = []
    for rates in ((0.1, 0.1), (0.1, 0.0), (0.0, 0.1)):
        model = network()
        first, *others = [p for p in model.parameters() if p.requires_grad]
        groups = [{"params": [first], "lr": rates[0]}, {"params": others, "lr": rates[1]}]
        pruner = pruner_of(model, torch.optim.SGD(groups), drift=1, noise=0, scope="layer")
        before = [p.detach().clone() for p in pruner.parameters.values()]
        for p in model.parameters():
            p.grad = torch.full_like(p, 1e-12)
        pruner.optimizer.step()
        pruner.step()
        after = pruner.parameters.values()
        moved.append(
            [float((p.detach() - b).abs().max()) for p, b in zip(after, before, strict=True)]
        )
    both, head, tail = moved
    assert min(both) > 0.05
    assert head == [both[0], *(0 for _ in both[1:])]
    assert tail == [0, *both[1:]]
