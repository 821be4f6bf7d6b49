"""Every kind of optimizer and wrapper is followed and zeroed, or refused in one line."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import nested_optimizers as optimizers
import pytest
import torch
from nested_optimizers import Lookahead, Sam, backward, network, off, sgd, zeros_off_masks
from torch import Tensor, nn

import fggp
from fggp.pruning.mask_update import BOTH, Update
from fggp.pruning.optimizers import Nest
from fggp.pruning.timing import Method


def method(name: str, steps: int = 40) -> Method:
    return fggp.method(name, sparsity=0.9, steps=steps)


def trained(name: str, make: Callable[[Any], Any], steps: int = 40, attach: bool = True) -> Any:
    """Train a network, attached or called; returns the pruner and the optimizer."""
    model = network()
    optimizer = make(model.parameters())
    pruner = fggp.Pruner(model, optimizer, method(name, steps))
    if attach:
        pruner.attach()
    for _ in range(steps):
        backward(model)
        optimizer.step()
        if not attach:
            pruner.step()
        optimizer.zero_grad()
    return pruner, optimizer


@pytest.mark.parametrize("attach", [True, False])
@pytest.mark.parametrize("name", ["fggp", "rigl"])
def test_weights_that_a_wrapper_writes_after_the_step_inside_are_masked(
    name: str, attach: bool
) -> None:
    for attribute in ("optimizer", "_base_optimizer", "anything"):
        pruner, outer = trained(
            name, lambda p, attribute=attribute: Lookahead(sgd(p), attribute), attach=attach
        )
        assert pruner.steps == 40
        assert zeros_off_masks(pruner)
        momenta = [pruner.optimizer.state[p]["momentum_buffer"] for p in pruner.parameters.values()]
        assert off(pruner, momenta) == 0
        assert off(pruner, [outer.slow[0][0], outer.slow[0][2]]) == 0


@pytest.mark.parametrize("attach", [True, False])
@pytest.mark.parametrize("name", ["fggp", "rigl"])
def test_the_two_halves_of_a_step_of_sam_are_one_step(name: str, attach: bool) -> None:
    model = network()
    optimizer = Sam(model.parameters())
    pruner = fggp.Pruner(model, optimizer, method(name))
    if attach:
        pruner.attach()
    for step in range(1, 41):
        backward(model)
        optimizer.first_step()
        backward(model)
        optimizer.second_step()
        if not attach:
            pruner.step()
        assert pruner.steps == step
        optimizer.zero_grad()
    assert zeros_off_masks(pruner)
    own = list(pruner.parameters.values())
    assert off(pruner, [optimizer.base_optimizer.state[p]["momentum_buffer"] for p in own]) == 0
    assert off(pruner, [optimizer.state[p]["old"] for p in own]) == 0


def test_calls_that_only_accumulate_are_no_steps() -> None:
    pruner, _ = trained("fggp", lambda p: optimizers.Accumulating(sgd(p)), steps=40)
    assert pruner.steps == 20


def test_a_learning_rate_scheduler_on_a_wrapper_hides_no_step() -> None:
    model = network()
    optimizer = Lookahead(sgd(model.parameters()))
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 5)
    pruner = fggp.Pruner(model, optimizer, method("rigl", 20))
    pruner.attach()
    for step in range(1, 21):
        backward(model)
        optimizer.step()
        schedule.step()
        assert (pruner.steps, zeros_off_masks(pruner)) == (step, True)


def test_a_class_that_calls_the_step_of_its_base_makes_one_step() -> None:
    pruner, _ = trained("fggp", lambda p: optimizers.Overwriting(p, lr=0.1))
    assert pruner.steps == 40


def test_a_step_that_raises_is_not_counted_and_the_next_one_is() -> None:
    model = network()
    for make in (sgd, lambda p: Lookahead(sgd(p))):
        optimizer = make(model.parameters())
        pruner = fggp.Pruner(model, optimizer, method("rigl"))
        pruner.attach()

        def failing() -> Tensor:
            raise KeyError

        backward(model)
        with pytest.raises(KeyError):
            optimizer.step(failing)
        assert pruner.steps == 0
        optimizer.step()
        assert pruner.steps == 1


@pytest.mark.parametrize("attach", [True, False])
@pytest.mark.parametrize("wrap", [lambda x: x, Lookahead], ids=["plain", "wrapped"])
def test_an_update_reads_the_gradient_that_a_step_then_overwrites(wrap: Any, attach: bool) -> None:
    model = network()
    optimizer = wrap(optimizers.Overwriting(model.parameters(), lr=0.1))
    made = method("fggp")
    seen: list[Tensor] = []

    def rule(update: Update) -> Update:
        seen.append(update.gradient)
        assert made.recipe.rule is not None
        return made.recipe.rule(update)

    rule.reads = BOTH  # type: ignore[attr-defined]
    watched = replace(made, recipe=replace(made.recipe, rule=rule))
    pruner = fggp.Pruner(model, optimizer, watched)
    if attach:
        pruner.attach()
    expected = []
    for step in range(1, 41):
        backward(model)
        slopes = [p.grad.flatten() for p in pruner.parameters.values()]
        if made.update_at(step):
            expected.append(torch.cat(slopes))
        optimizer.step()
        if not attach:
            pruner.step()
        optimizer.zero_grad()
    assert len(seen) == len(expected) > 5
    assert all(torch.equal(a, b) for a, b in zip(seen, expected, strict=True))


@pytest.mark.parametrize(
    ("make", "name", "complaint"),
    [
        (torch.optim.LBFGS, "gmp", "LBFGS: its history mixes .* use an optimizer with"),
        (optimizers.MasterCopies, "gmp", r"MasterCopies trains copies .* by the SGD inside"),
        (lambda p: optimizers.ScheduleFree(p, lr=0.1), "dpf", "ScheduleFree keeps two sets of"),
        (lambda p: [sgd(p)], "gmp", "a list is not an optimizer.* one pruner for each"),
        (
            lambda p: sgd([nn.Parameter(q.detach().clone()) for q in p]),
            "gmp",
            "SGD trains none of the model's param",
        ),
    ],
    ids=["lbfgs", "copies", "schedule-free", "list", "another"],
)
def test_what_cannot_be_followed_is_refused_by_name_with_the_fix(
    make: Any, name: str, complaint: str
) -> None:
    model = network()
    optimizer = make(list(model.parameters()))
    with pytest.raises(ValueError, match=complaint) as refusal:
        fggp.Pruner(model, optimizer, method(name))
    assert "\n" not in str(refusal.value)


def test_codes_of_eight_bits_off_the_mask_are_those_of_zero() -> None:
    pruner, optimizer = trained("rigl", optimizers.Coded)
    for p, mask in zip(pruner.parameters.values(), pruner.masks.values(), strict=True):
        codes = optimizer.state[p]["state1"]
        assert set(codes[~mask].tolist()) == {127}
        assert len(set(codes[mask].tolist())) > 3
    assert zeros_off_masks(pruner)


def test_codes_whose_zero_is_not_known_are_refused_by_name() -> None:
    with pytest.raises(RuntimeError, match=r"Unknown keeps 'state1' of 0\.weight as codes of"):
        trained("rigl", optimizers.Unknown)


def test_matrices_that_happen_to_have_the_shape_of_a_layer_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = optimizers.Preconditioned(model.parameters())
    pruner = fggp.Pruner(model, optimizer, method("rigl"))
    for _ in range(5):
        backward(model)
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    own = list(pruner.parameters.values())
    assert all(bool(optimizer.state[p]["left"].all()) for p in own)
    assert off(pruner, [optimizer.state[p]["momentum"] for p in own]) == 0


@pytest.mark.parametrize("kind", ["mapping", "states", "list", "groups"])
def test_momenta_in_an_attribute_that_is_filled_at_the_first_step_are_masked(kind: str) -> None:
    pruner, optimizer = trained("rigl", lambda p: optimizers.OwnMomenta(p, kind), steps=8)
    own = {id(p) for p in pruner.parameters.values()}
    pairs = zip(optimizer.own, optimizer.read(), strict=True)
    assert off(pruner, [momentum for p, momentum in pairs if id(p) in own]) == 0


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("name", ["rigl", "gmp", "sr-ste"])
def test_numbers_that_are_not_finite_become_zero_off_the_mask(name: str, wrong: float) -> None:
    pruner, optimizer = trained(name, sgd, attach=False)
    own = next(iter(pruner.parameters.values()))
    removed = ~next(iter(pruner.masks.values()))
    if name == "sr-ste":
        pruner.state_dict()["dense"][0][removed] = wrong
        pruner._masking.load(pruner.state_dict()["dense"])
    else:
        own.data[removed] = wrong
        optimizer.state[own]["momentum_buffer"][removed] = wrong
        pruner.apply()
        assert not optimizer.state[own]["momentum_buffer"][removed].any()
    pruner.apply()
    assert not own[removed].any()


def test_an_optimizer_may_hold_itself_and_things_that_are_none() -> None:
    optimizer = Lookahead(sgd(network().parameters()))
    optimizer.itself, optimizer.model = optimizer, network()  # type: ignore[attr-defined]
    assert len(Nest(optimizer).every) == 2


def test_a_loop_that_does_nothing_wrong_hears_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for attach in (True, False):
            pruner, _ = trained("rigl", sgd, attach=attach)
            str(pruner), pruner.state_dict()
