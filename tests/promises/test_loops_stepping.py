"""Closures, accumulated gradients, attaching and detaching, copies."""

import copy
import pickle
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from plain_loop import (
    BATCHES,
    NAMES,
    TARGET,
    TOTAL,
    Loop,
    adamw,
    kept,
    method,
    network,
    same_bits,
    sgd,
)
from torch import Tensor, nn

import fggp
from fggp.pruning.recipe import Soft

every_name = pytest.mark.parametrize("name", NAMES)


@every_name
def test_the_plain_loop_ends_at_the_target_to_the_weight(name: str) -> None:
    loop = Loop(name)
    masks = [loop.mask]
    for x, y in BATCHES:
        loop.step(x, y)
        masks.append(loop.mask)
    changed = [step for step, (a, b) in enumerate(pairwise(masks), 1) if not torch.equal(a, b)]
    last = {"gmp": 12, "fggp": 12, "rigl": 15, "granet": 24}[name]
    assert changed == list(range(3, last + 1, 3))
    assert sum(layer.kept for layer in loop.pruner.layers()) == kept(name, 4) == 137
    assert round(TOTAL * (1 - TARGET)) == 137


@pytest.mark.parametrize("attach", [False, True])
@every_name
def test_a_closure_gives_the_same_bits_as_a_plain_step(name: str, attach: bool) -> None:
    loop = Loop(name, attach=attach)
    for x, y in BATCHES:

        def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
            loop.optimizer.zero_grad()
            loss = loop.loss(x, y)
            loss.backward()
            return loss

        assert loop.optimizer.step(closure).isfinite()
        loop.after()
    assert same_bits(loop, Loop(name).run())


class Often(torch.optim.SGD):
    """Calls its closure three times in a step, as a line search does."""

    def step(self, closure: Any = None) -> Any:
        for _ in range(3):
            loss = super().step(closure)
        return loss


def test_an_optimizer_that_calls_its_closure_often_is_one_step() -> None:
    model, (x, y) = network(), BATCHES[0]
    optimizer = Often(model.parameters(), lr=0.1)
    pruner = fggp.Pruner(model, optimizer, method("gmp"))
    pruner.attach()
    calls = []

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x.float()), y)
        loss.backward()
        calls.append(pruner.steps)
        return loss

    for _ in range(3):
        optimizer.step(closure)
    assert calls == [0] * 3 + [1] * 3 + [2] * 3
    assert pruner.steps == 3
    assert sum(int(p.count_nonzero()) for p in pruner.parameters.values()) == kept("gmp", 1)


@pytest.mark.parametrize("attach", [False, True])
@every_name
def test_accumulated_gradients_give_the_masks_of_one_large_batch(name: str, attach: bool) -> None:
    whole, parts = (Loop(name, dtype=torch.float64, attach=attach) for _ in range(2))
    for x, y in BATCHES:
        whole.step(x, y)
        for part in (slice(0, 4), slice(4, 8)):
            (parts.loss(x[part], y[part]) / 2).backward()
        parts.optimizer.step()
        parts.after()
        parts.optimizer.zero_grad()
        assert torch.equal(whole.mask, parts.mask)


@pytest.mark.parametrize("name", ["granet", "rigl", "fggp"])
def test_an_update_sees_the_whole_accumulated_gradient_and_not_its_last_part(name: str) -> None:
    whole, parts, last = (Loop(name, dtype=torch.float64) for _ in range(3))
    for x, y in BATCHES[:2]:
        for loop in (whole, parts, last):
            loop.step(x, y)
    x, y = BATCHES[2]
    whole.step(x, y)
    for part in (slice(0, 4), slice(4, 8)):
        (parts.loss(x[part], y[part]) / 2).backward()
    parts.optimizer.step()
    parts.after()
    last.loss(x[4:], y[4:]).backward()
    last.optimizer.step()
    last.after()
    assert torch.equal(whole.mask, parts.mask)
    assert not torch.equal(whole.mask, last.mask)


@pytest.mark.parametrize("first", [False, True], ids=["zero_grad-last", "zero_grad-first"])
def test_gradients_may_be_cleared_at_either_end_of_the_loop(first: bool) -> None:
    loop = Loop("fggp")
    for x, y in BATCHES:
        if first:
            loop.optimizer.zero_grad()
        loop.loss(x, y).backward()
        loop.optimizer.step()
        loop.after()
        if not first:
            loop.optimizer.zero_grad()
    assert same_bits(loop, Loop("fggp").run())


@pytest.mark.parametrize("optimizer", [sgd, adamw])
@every_name
def test_an_attached_pruner_gives_the_bits_of_one_that_is_called(name: str, optimizer: Any) -> None:
    attached, called = (Loop(name, optimizer, attach=attach) for attach in (True, False))
    assert same_bits(attached.run(), called.run())
    assert attached.pruner.steps == called.pruner.steps == 24


def test_a_step_of_an_attached_pruner_by_hand_is_refused_and_counts_nothing() -> None:
    loop = Loop("fggp", attach=True).run(BATCHES[:2])
    with pytest.raises(RuntimeError, match=r"remove pruner\.step\(\).* remove\(\)") as refusal:
        loop.pruner.step()
    assert "\n" not in str(refusal.value)
    loop.run(BATCHES[2:])
    assert same_bits(loop, Loop("fggp").run())


def test_attaching_twice_is_refused_and_counts_once() -> None:
    loop = Loop("fggp", attach=True)
    with pytest.raises(RuntimeError, match=r"is attached .* call remove\(\)"):
        loop.pruner.attach()
    loop.run()
    assert loop.pruner.steps == 24


def test_a_pruner_that_is_detached_is_called_again_and_can_be_attached_again() -> None:
    loop = Loop("granet", attach=True).run(BATCHES[:5])
    assert loop.handle is not None
    with pytest.warns(
        RuntimeWarning, match="detached below the target sparsity of 0.9, after step"
    ):
        loop.handle.remove()
    loop.handle = None
    loop.run(BATCHES[5:14])
    loop.handle = loop.pruner.attach()
    loop.run(BATCHES[14:])
    assert same_bits(loop, Loop("granet").run())


def test_the_handle_of_attach_also_ends_with_a_block() -> None:
    loop = Loop("fggp")
    with pytest.warns(RuntimeWarning, match="detached"), loop.pruner.attach() as loop.handle:
        loop.run(BATCHES[:4])
    loop.handle = None
    loop.run(BATCHES[4:])
    assert loop.pruner.steps == 24


def test_two_pruners_share_an_optimizer() -> None:
    model = network()
    optimizer = sgd(model)
    pruners = [
        fggp.Pruner(model, optimizer, method(name), params=[layer])
        for name, layer in (("gmp", "3.weight"), ("rigl", "5.weight"))
    ]
    for pruner in pruners:
        pruner.attach()
    for x, y in BATCHES:
        torch.nn.functional.cross_entropy(model(x.float()), y).backward()
        optimizer.step()
        optimizer.zero_grad()
    kept_now = [[layer.kept for layer in pruner.layers()] for pruner in pruners]
    assert kept_now == [[96 * 12 - 1037], [6]]


@pytest.mark.parametrize("attach", [False, True])
def test_a_copy_of_a_whole_training_goes_on_by_itself(attach: bool) -> None:
    loop = Loop("granet", attach=attach).run(BATCHES[:7])
    other = copy.deepcopy(loop)
    other.handle = None
    other.run(BATCHES[7:])  # a copied optimizer has lost its hooks, so that it is called by hand
    assert loop.pruner.steps == 7
    assert same_bits(other, loop.run(BATCHES[7:]))


def test_an_attached_pruner_can_be_pickled_with_its_model() -> None:
    loop = Loop("granet", attach=True).run(BATCHES[:7])
    model, optimizer, pruner = pickle.loads(pickle.dumps((loop.model, loop.optimizer, loop.pruner)))
    again = copy.copy(loop)
    again.model, again.optimizer, again.pruner, again.handle = model, optimizer, pruner, None
    assert same_bits(again.run(BATCHES[7:]), loop.run(BATCHES[7:]))


def test_a_pruned_model_is_copied_and_pickled_as_any_other() -> None:
    loop = Loop("fggp", attach=True).run(BATCHES[:7])
    for model in (copy.deepcopy(loop.model), pickle.loads(pickle.dumps(loop.model))):
        assert type(model) is type(network())
        assert list(model.state_dict()) == list(network().state_dict())
        pairs = zip(model.parameters(), loop.model.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    loop.run(BATCHES[7:])
    assert loop.pruner.steps == 24


@pytest.mark.parametrize("after", [2, 3, 13])
@every_name
def test_an_attached_training_continues_from_its_states_bit_by_bit(name: str, after: int) -> None:
    whole, resumed = (Loop(name, adamw, attach=True) for _ in range(2))
    whole.run(BATCHES[:after])
    parts = ("model", "optimizer", "pruner")
    states = copy.deepcopy([getattr(whole, part).state_dict() for part in parts])
    for part, state in zip(parts, states, strict=True):
        getattr(resumed, part).load_state_dict(state)
    resumed.update = whole.update
    assert same_bits(whole.run(BATCHES[after:]), resumed.run(BATCHES[after:]))
    assert resumed.pruner.steps == 24


@pytest.mark.parametrize("after", [2, 3, 13])
@every_name
def test_a_framework_may_restore_model_and_optimizer_before_there_is_a_pruner(
    name: str, after: int
) -> None:
    whole = Loop(name, adamw, attach=True).run(BATCHES[:after])
    model, optimizer, pruner = copy.deepcopy(
        [part.state_dict() for part in (whole.model, whole.optimizer, whole.pruner)]
    )
    resumed = Loop(name, adamw)
    resumed.model.load_state_dict(model)
    resumed.optimizer.load_state_dict(optimizer)
    resumed.pruner = fggp.Pruner(
        resumed.model, resumed.optimizer, method(name), seed=7, state=pruner
    )
    resumed.update = whole.update
    assert same_bits(whole, resumed)
    assert same_bits(whole.run(BATCHES[after:]), resumed.run(BATCHES[after:]))


@pytest.mark.parametrize("name", ["snip", "grasp", "synflow", "ecoflap", "taylor-filter"])
def test_a_state_needs_no_data_of_a_method_that_scored_weights_before_training(name: str) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer, made = sgd(model), fggp.method(name, sparsity=0.5, steps=10)
    data = {"batches": [(torch.rand(8, 4), torch.arange(8) % 2)], "loss": nn.CrossEntropyLoss()}
    state = fggp.Pruner(model, optimizer, made, **data).state_dict()
    again = fggp.Pruner(model, optimizer, made, state=state)
    assert again.masks.keys() == state["masks"].keys()
    assert all(torch.equal(again.masks[name], mask) for name, mask in state["masks"].items())


def test_a_state_of_another_method_is_refused_before_anything_is_masked() -> None:
    model = network()
    state = Loop("granet").pruner.state_dict()
    with pytest.raises(ValueError, match="the state is of granet"):
        fggp.Pruner(model, sgd(model), method("fggp"), state=state)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), network().parameters(), strict=True)
    )


def soft(name: str, attach: bool) -> Loop:
    loop = Loop(name)
    made = method(name)
    made = replace(made, recipe=replace(made.recipe, soft=Soft()))
    loop.pruner = fggp.Pruner(loop.model, loop.optimizer, made)
    loop.handle = loop.pruner.attach() if attach else None
    return loop


def test_soft_masking_takes_a_plain_step_called_or_attached() -> None:
    loops = [soft("gmp", attach) for attach in (False, True)]
    for x, y in BATCHES:
        for loop in loops:
            loop.loss(x, y).backward()
            loop.optimizer.step()
            if loop.handle is None:
                loop.pruner.step()
            loop.optimizer.zero_grad()
            weights = torch.cat([p.detach().flatten() for p in loop.pruner.parameters.values()])
            assert not weights[~loop.mask].any()
    assert same_bits(*loops)
    assert int(loops[0].mask.sum()) == kept("gmp", 4)
    # Nothing comes back under gmp, so that what a pruned weight was trained to has no effect.
    assert same_bits(loops[0], Loop("gmp").run())


@pytest.mark.parametrize("by_name", [False, True])
def test_soft_masking_refuses_a_closure_before_anything_is_changed(by_name: bool) -> None:
    loop = soft("gmp", attach=True)
    before = [tensor.clone() for tensor in loop.tensors()]
    arguments: tuple[Any, dict[str, Any]] = ((), {"closure": float}) if by_name else ((float,), {})
    with pytest.raises(RuntimeError, match="cannot train with a closure"):
        loop.optimizer.step(*arguments[0], **arguments[1])
    assert all(torch.equal(a, b) for a, b in zip(before, loop.tensors(), strict=True))
    loop.loss(*BATCHES[0]).backward()
    loop.optimizer.step(None)
    assert loop.pruner.steps == 1
