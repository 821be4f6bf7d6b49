"""An update reads gradient and weights of the forward pass, whatever the step does to them."""

import copy
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from plain_loop import BATCHES, Loop, flat, method, network, same_bits
from torch import Tensor, nn

import fggp
from fggp import METHODS
from fggp.pruning.mask_update import BOTH, Update, gradient, magnitude, read_by
from fggp.pruning.pruner import Pruner

Optimizer = Callable[[nn.Module], torch.optim.Optimizer]
READERS = ["fggp", "rigl", "granet"]


def overwriting(model: nn.Module) -> torch.optim.Optimizer:
    """An optimizer that adds its momentum into ``.grad`` in place."""
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, foreach=True)


def careful(model: nn.Module) -> torch.optim.Optimizer:
    """The same optimizer, which leaves ``.grad`` as it is."""
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, foreach=False)


class Wrapper(torch.optim.Optimizer):
    """Overwrites gradients before the optimizer inside steps, and calls hooks itself."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(optimizer.param_groups, {})
        self.optimizer = optimizer
        self.param_groups, self.state = optimizer.param_groups, optimizer.state

    def step(self, closure: Any = None) -> Any:
        if closure is not None:
            with torch.enable_grad():
                closure()
        for group in self.param_groups:
            for p in group["params"]:
                p.grad.mul_(torch.linspace(-1, 1, p.numel()).view_as(p))
        return self.optimizer.step()


def watched(loop: Loop) -> list[Update]:
    """Collect the updates that the rule of a loop's pruner sees."""
    seen: list[Update] = []
    inner = loop.pruner.method.recipe.rule
    assert inner is not None

    def rule(update: Update) -> Update:
        seen.append(update)
        return inner(update)

    rule.reads = BOTH  # type: ignore[attr-defined]
    object.__setattr__(loop.pruner.method.recipe, "rule", rule)
    return seen


def step(loop: Loop, x: Tensor, y: Tensor, *, closure: bool) -> tuple[Tensor, Tensor]:
    """Make a step; returns the weights of its forward pass and the gradient at them."""
    own = list(loop.pruner.parameters.values())
    weights = flat(own)
    kept: list[Tensor] = []

    def backward() -> Tensor:
        loop.optimizer.zero_grad()
        loss = loop.loss(x, y)
        loss.backward()
        kept.append(flat(p.grad for p in own))
        return loss

    if closure:
        loop.optimizer.step(backward)
    else:
        backward()
        loop.optimizer.step()
    if loop.handle is None:
        loop.pruner.step()
    return weights, kept[-1]


@pytest.mark.parametrize("attach", [False, True], ids=["called", "attached"])
@pytest.mark.parametrize("closure", [False, True], ids=["plain", "closure"])
@pytest.mark.parametrize("make", [overwriting, lambda m: Wrapper(careful(m))], ids=["sgd", "outer"])
def test_an_update_sees_weights_and_gradient_of_the_forward_pass_bit_for_bit(
    make: Optimizer, closure: bool, attach: bool
) -> None:
    loop = Loop("fggp", make, attach=attach)
    seen = watched(loop)
    expected = [step(loop, x, y, closure=closure) for x, y in BATCHES]
    assert len(seen) == 4
    for number, update in enumerate(seen, 1):
        weights, slope = expected[3 * number - 1]
        assert torch.equal(update.forward_weight, weights)
        assert torch.equal(update.gradient, slope)
        assert not torch.equal(update.weight, weights)


@pytest.mark.parametrize("name", READERS)
def test_an_optimizer_that_overwrites_gradients_prunes_as_one_that_does_not(name: str) -> None:
    assert same_bits(Loop(name, overwriting).run(), Loop(name, careful).run())


def test_a_mean_of_gradients_is_that_of_true_ones() -> None:
    masks = []
    for make in (overwriting, careful):
        loop = Loop("fggp", make)
        loop.pruner = Pruner(loop.model, loop.optimizer, method("fggp", gradient_steps=3))
        masks.append(loop.run().mask)
    assert torch.equal(*masks)


def test_gradients_may_be_cleared_or_replaced_before_the_pruner_steps() -> None:
    loop = Loop("fggp")
    for x, y in BATCHES:
        loop.loss(x, y).backward()
        loop.optimizer.step()
        loop.optimizer.zero_grad()
        loop.loss(x[4:], y[4:]).backward()  # of another step
        loop.pruner.step()
        loop.optimizer.zero_grad()
    assert same_bits(loop, Loop("fggp").run())


def test_without_a_step_of_the_optimizer_present_weights_and_gradients_are_read() -> None:
    loop = Loop("fggp")
    seen = watched(loop)
    own = list(loop.pruner.parameters.values())
    for x, y in BATCHES[:3]:
        loop.model.zero_grad()
        loop.loss(x, y).backward()
        with torch.no_grad():
            for p in loop.model.parameters():
                p.sub_(p.grad, alpha=0.1)  # type: ignore[arg-type]
        loop.pruner.step()
    assert torch.equal(seen[0].gradient, flat(p.grad for p in own))
    assert torch.equal(seen[0].forward_weight, seen[0].weight)


def test_an_update_that_waited_reads_the_forward_pass_of_the_step_it_is_made_at() -> None:
    loop = Loop("fggp", overwriting)
    seen = watched(loop)
    for x, y in BATCHES[:2]:
        step(loop, x, y, closure=False)
    x, y = BATCHES[2]
    loop.loss(x, y).backward()
    own = next(iter(loop.pruner.parameters.values()))
    assert own.grad is not None
    own.grad[0] = float("inf")
    before = copy.deepcopy([loop.model.state_dict(), loop.optimizer.state_dict()])
    loop.optimizer.step()
    assert loop.pruner.step() is None
    loop.model.load_state_dict(before[0])
    loop.optimizer.load_state_dict(before[1])
    weights, slope = step(loop, *BATCHES[3], closure=False)
    assert len(seen) == 1
    assert torch.equal(seen[0].forward_weight, weights)
    assert torch.equal(seen[0].gradient, slope)


@pytest.mark.parametrize(
    ("name", "settings", "read"),
    [
        ("gmp", {}, set()),
        ("gmp", {"weights": "forward"}, {"forward_weight"}),
        ("fggp", {}, {"gradient", "forward_weight"}),
        ("fggp", {"weights": "stepped"}, {"gradient"}),
        ("set", {}, set()),
        ("rigl", {}, {"gradient"}),
        ("dense", {}, set()),
    ],
)
def test_only_what_a_method_reads_is_copied_and_only_where_an_update_is_due(
    name: str, settings: dict[str, Any], read: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_by(METHODS[name].recipe(**settings).rule) == read
    if name == "dense":
        return
    loop = Loop(name)
    loop.pruner = Pruner(loop.model, loop.optimizer, method(name, **settings))
    copied = {}
    for number, (x, y) in enumerate(BATCHES[:9], 1):
        loop.loss(x, y).backward()
        loop.optimizer.step()
        forward = loop.pruner._forward
        copied[number] = {
            *(["forward_weight"] if forward.weight is not None else []),
            *(["gradient"] if forward._gradient is not None else []),
        }
        loop.pruner.step()
        loop.optimizer.zero_grad()
        assert forward.weight is None
        assert forward._gradient is None
    assert copied == {number: (read if number % 3 == 0 else set()) for number in range(1, 10)}


def test_what_a_part_does_not_declare_is_taken_to_be_read() -> None:
    assert read_by(lambda update: update.gradient) == BOTH
    assert read_by((magnitude, gradient)) == {"gradient"}
    assert read_by(None) == set()


def test_a_copied_training_with_soft_masking_goes_on_as_the_original() -> None:
    def run(parts: Any, batches: Any) -> None:
        model, optimizer, pruner = parts
        for x, y in batches:
            nn.functional.cross_entropy(model(x.float()), y).backward()
            optimizer.step()
            pruner.step()
            optimizer.zero_grad()

    model = network()
    optimizer = overwriting(model)
    parts = model, optimizer, fggp.Pruner(model, optimizer, method("dpf"))
    run(parts, BATCHES[:5])
    copied = copy.deepcopy(parts)
    for each in (parts, copied):
        run(each, BATCHES[5:])
    for name, tensor in parts[0].state_dict().items():
        assert torch.equal(tensor, copied[0].state_dict()[name]), name


def test_a_copied_training_still_sees_the_forward_pass() -> None:
    loop = Loop("fggp", overwriting).run(BATCHES[:7])
    other = copy.deepcopy(loop)
    assert same_bits(other.run(BATCHES[7:]), loop.run(BATCHES[7:]))


def test_an_optimizer_that_lives_on_keeps_no_pruner() -> None:
    model = network()
    optimizer = overwriting(model)
    pruner = weakref.ref(fggp.Pruner(model, optimizer, method("fggp")))
    gc.collect()
    assert pruner() is None
    nn.functional.cross_entropy(model(BATCHES[0][0].float()), BATCHES[0][1]).backward()
    optimizer.step()
