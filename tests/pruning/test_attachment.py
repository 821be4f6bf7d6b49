"""A loop that uses a pruner wrongly gets one line with the fix immediately."""

import copy
import gc
import pickle
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from nested_optimizers import backward, network, sgd
from torch import nn

import fggp


def made(name: str = "gmp", optimizer: Any = None) -> tuple[nn.Module, Any, fggp.Pruner]:
    model = network()
    own = optimizer or sgd(model.parameters())
    return model, own, fggp.Pruner(model, own, fggp.method(name, sparsity=0.9, steps=40))


def test_a_pruner_that_is_called_before_the_optimizer_is_noticed_at_the_first_step() -> None:
    model, optimizer, pruner = made()
    backward(model)
    pruner.step()
    with pytest.warns(RuntimeWarning, match=r"before optimizer\.step\(\).* call it once after"):
        optimizer.step()


def test_a_pruner_that_is_called_for_every_part_of_a_step_is_noticed() -> None:
    model, optimizer, pruner = made()
    for _ in range(2):
        backward(model)
        pruner.step()
    with pytest.warns(RuntimeWarning, match=r"or twice for one step"):
        optimizer.step()


def test_a_step_without_the_pruner_is_noticed_when_the_next_begins_and_said_once() -> None:
    model, optimizer, _pruner = made()
    backward(model)
    optimizer.step()
    with pytest.warns(RuntimeWarning, match=r"without the pruner.* pruner\.attach\(\) once"):
        optimizer.step()
    optimizer.step()


def test_a_pruner_that_is_gone_or_detached_notices_nothing() -> None:
    model, optimizer, pruner = made()
    with pytest.warns(RuntimeWarning, match="the pruner is detached below the target"):
        pruner.attach().remove()
    for _ in range(3):
        backward(model)
        optimizer.step()
    model, optimizer, pruner = made()
    gone = weakref.ref(pruner)
    gc.disable()
    try:
        del pruner
        assert gone() is None
    finally:
        gc.enable()
    for _ in range(3):
        backward(model)
        optimizer.step()


def test_two_pruners_of_the_same_weights_are_not_attached_to_one_optimizer() -> None:
    model, optimizer, first = made()
    later = fggp.Pruner(model, optimizer, first.method)
    handle = first.attach()
    refusal = r"another pruner of the same weights is attached to this SGD; first call remove\(\)"
    with pytest.raises(ValueError, match=refusal):
        later.attach()
    with pytest.raises(ValueError, match=refusal):
        fggp.Pruner(model, optimizer, first.method)
    with pytest.warns(RuntimeWarning, match="is detached below the target"):
        handle.remove()
    later.attach()


def test_pruners_of_different_weights_are_attached_to_one_optimizer() -> None:
    model = network()
    optimizer, names = sgd(model.parameters()), list(fggp.sparsify(network(), 0.5))
    how = fggp.method("gmp", sparsity=0.9, steps=40)
    pruners = [fggp.Pruner(model, optimizer, how, params=[name]) for name in names]
    for pruner in pruners:
        pruner.attach()
    for _ in range(40):
        backward(model)
        optimizer.step()
    assert [pruner.steps for pruner in pruners] == [40] * len(names)


@pytest.mark.parametrize("attach", [True, False])
def test_weights_that_change_without_a_step_of_the_optimizer_are_noticed_when_looked_at(
    attach: bool,
) -> None:
    for look in (str, fggp.Pruner.state_dict):
        model, _unused, pruner = made()
        handle = pruner.attach() if attach else None
        another = sgd(model.parameters())
        for _ in range(6):
            backward(model)
            another.step()
        with pytest.warns(RuntimeWarning, match=r"without a step of the SGD that the pruner was"):
            look(pruner)
        del handle


def test_steps_that_a_scaler_skips_at_the_start_and_accumulation_are_no_mistakes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model, optimizer, pruner = made("rigl")
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
        for step in range(6):
            for _ in range(2):
                loss = model(torch.ones(1, 16)).sum() * (float("inf") if step < 2 else 1)
                scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            pruner.step()
            optimizer.zero_grad()
        for _ in range(5):
            model(torch.ones(1, 16))  # an evaluation
        str(pruner)


class Experts(nn.Module):
    """Uses one expert in a step, and a spare one never."""

    def __init__(self, spare: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.expert = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.out = nn.Linear(8, 2)
        if spare:
            self.spare = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor, number: int) -> Any:
        return self.out(self.expert[number](x).relu())


def alternating(name: str, spare: bool, params: Any = None) -> fggp.Pruner:
    model = Experts(spare)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    pruner = fggp.Pruner(
        model, optimizer, fggp.method(name, sparsity=0.9, steps=120), params=params
    )
    inputs, labels = torch.randn(16, 8), torch.arange(16) % 2
    for step in range(120):
        nn.functional.cross_entropy(model(inputs, step % 4), labels).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    return pruner


@pytest.mark.parametrize("name", ["gmp", "fggp", "rigl", "granet"])
def test_an_update_waits_for_layers_that_a_step_does_not_use(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*no weight is left in")
        pruner = alternating(name, spare=False)
    assert sum(int(p.count_nonzero()) for p in pruner.parameters.values()) <= 28
    assert abs(pruner.sparsity - 0.9) < 0.01


@pytest.mark.parametrize("name", ["fggp", "rigl"])
def test_a_layer_that_is_never_used_is_named_with_the_fix(name: str) -> None:
    sentence = r"waits for the gradient of spare\.weight, which no step has used yet; .* params="
    with (
        pytest.warns(RuntimeWarning, match=r"waits for"),
        pytest.raises(RuntimeError, match=sentence),
    ):
        alternating(name, spare=True)
    used = [*(f"expert.{i}.weight" for i in range(4)), "out.weight"]
    assert abs(alternating(name, True, used).sparsity - 0.9) < 0.01


@pytest.mark.filterwarnings("ignore:.*training ends below the target:RuntimeWarning")
@pytest.mark.parametrize("to_none", [True, False])
def test_an_update_that_waits_for_a_layer_frozen_since_then_says_so(to_none: bool) -> None:
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    pruner = fggp.Pruner(model, optimizer, fggp.method("fggp", sparsity=0.9, steps=112))

    def train(steps: int) -> None:
        for _ in range(steps):
            nn.functional.cross_entropy(model(torch.randn(16, 8)), torch.arange(16) % 2).backward()
            optimizer.step()
            pruner.step()
            optimizer.zero_grad(set_to_none=to_none)

    train(10)
    model[0].requires_grad_(False)
    kept = pruner.layers("masks")
    with pytest.warns(RuntimeWarning, match=r"gradient of 0\.weight, which is frozen now; .*"):
        train(30)
    assert pruner.layers("masks") == kept
    model[0].requires_grad_(True)
    train(72)
    assert abs(pruner.sparsity - 0.9) < 0.01


COPIES: list[Callable[[Any], Any]] = [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))]


def steps(model: nn.Module, optimizer: Any, number: int) -> None:
    for _ in range(number):
        backward(model)
        optimizer.step()


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", ["gmp", "dpf", "jackpots"])
def test_a_copy_of_an_attached_training_warns_that_it_is_not_attached(
    name: str, copied: Callable[[Any], Any], before: int
) -> None:
    parts = made(name)
    parts[2].attach()
    steps(*parts[:2], before)
    model, optimizer, pruner = copied(parts)
    with pytest.warns(RuntimeWarning, match=r"without the pruner.* or pruner\.attach\(\) once"):
        steps(model, optimizer, 2)
    pruner.attach()
    steps(model, optimizer, 5)
    assert pruner.steps == before + 5
    steps(*parts[:2], 2)
    assert parts[2].steps == before + 2


@pytest.mark.parametrize("attach", [True, False])
@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_that_another_optimizer_trains_warns_that_nothing_is_pruned(
    copied: Callable[[Any], Any], attach: bool
) -> None:
    parts = made()
    handle = parts[2].attach() if attach else None
    for _ in range(3):
        steps(*parts[:2], 1)
        if handle is None:
            parts[2].step()
    model, _, pruner = copied(parts)
    steps(model, sgd(model.parameters()), 6)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        str(pruner)
    assert any("without a step of the SGD that the pruner" in str(it.message) for it in seen)


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_that_goes_on_as_its_original_does_not_warn(copied: Callable[[Any], Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parts = made()
        for _ in range(3):
            steps(*parts[:2], 1)
            parts[2].step()
        model, optimizer, pruner = copied(parts)
        for _ in range(5):
            steps(model, optimizer, 1)
            pruner.step()
        str(pruner)
        parts = made()
        parts[2].attach()
        model, optimizer, pruner = copied(parts)
        pruner.attach()
        steps(model, optimizer, 6)
        str(pruner)


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_of_a_detached_pruner_notices_nothing(copied: Callable[[Any], Any]) -> None:
    parts = made()
    with pytest.warns(RuntimeWarning, match="the pruner is detached below the target"):
        parts[2].attach().remove()
    model, optimizer, _pruner = copied(parts)
    steps(model, optimizer, 3)


@pytest.mark.parametrize("copied", COPIES)
def test_the_handle_of_a_copy_removes_nothing(copied: Callable[[Any], Any]) -> None:
    model, optimizer, pruner = made()
    handle = pruner.attach()
    *_, other, copied_handle = copied((model, optimizer, pruner, handle))
    copied_handle.remove()
    other.attach()
    steps(model, optimizer, 2)
    assert pruner.steps == 2
