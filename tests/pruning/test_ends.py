"""Trainings that end below their target, and trainings that are extended."""

import copy
import warnings
from typing import Any

import pytest
import torch
from torch import nn

import fggp

X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
Y = X[:, :4].argmax(1)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))


class Training:
    def __init__(self, name: str, steps: int = 40, **options: Any) -> None:
        self.model = options.pop("model", None) or network()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        if "optimizer_state" in options:
            self.optimizer.load_state_dict(options.pop("optimizer_state"))
        start = {"initial_sparsity": 0.5} if fggp.METHODS[name].starts == "both" else {}
        method = fggp.method(name, sparsity=0.9, steps=steps, **start)
        self.pruner = fggp.Pruner(self.model, self.optimizer, method, **options)

    def run(self, steps: int, factor: float = 1.0) -> "Training":
        for _ in range(steps):
            (nn.functional.cross_entropy(self.model(X), Y) * factor).backward()
            if factor == 1:
                self.optimizer.step()
            self.pruner.step()
            self.optimizer.zero_grad()
        return self

    def longer(self, name: str, steps: int) -> "Training":
        """Go on in a new process, as it were, with all three states restored."""
        model = network()
        model.load_state_dict(copy.deepcopy(self.model.state_dict()))
        options = {"model": model, "optimizer_state": copy.deepcopy(self.optimizer.state_dict())}
        state = copy.deepcopy(self.pruner.state_dict())
        return Training(name, steps, state=state, extend=True, **options)

    @property
    def zeros(self) -> float:
        weights = torch.cat([p.detach().flatten() for p in self.model.parameters() if p.ndim > 1])
        return float((weights == 0).double().mean())


BELOW = "below the target sparsity of 0.9, after step"


def test_a_training_that_ends_before_its_updates_are_made_is_warned_of_once() -> None:
    training = Training("fggp").run(10)
    with pytest.warns(RuntimeWarning, match=f"fggp: training ends {BELOW} 40 of 40") as caught:
        training.run(30, factor=float("inf"))
    assert len(caught) == 1
    with pytest.warns(RuntimeWarning, match=f"a training is saved at its end {BELOW} 40 of 40"):
        training.pruner.state_dict()


def test_a_checkpoint_in_the_middle_of_a_training_is_no_end() -> None:
    training = Training("fggp")
    for _ in range(40):
        training.run(1).pruner.state_dict()
    assert training.pruner.sparsity == pytest.approx(0.9, abs=2e-3)


@pytest.mark.parametrize(("name", "early"), [("gmp", True), ("rigl", False), ("random", False)])
def test_a_pruner_that_is_detached_below_its_target_is_warned_of(name: str, early: bool) -> None:
    training = Training(name)
    handle = training.pruner.attach()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        handle.remove()
        handle.remove()
    assert [BELOW in str(it.message) for it in caught] == [True] * early
    assert all(it.filename == __file__ for it in caught)


def test_a_pruner_that_is_detached_after_its_last_update_is_in_order() -> None:
    training = Training("gmp")
    handle = training.pruner.attach()
    for _ in range(20):
        nn.functional.cross_entropy(training.model(X), Y).backward()
        training.optimizer.step()
        training.optimizer.zero_grad()
    handle.remove()
    assert training.pruner.settled


@pytest.mark.parametrize("name", ["gmp", "fggp", "rigl", "granet", "dpf", "imp", "set", "snip"])
def test_a_training_is_made_longer_with_the_masks_that_it_has(name: str) -> None:
    options = {"batches": [(X, Y)], "loss": nn.functional.cross_entropy} if name == "snip" else {}
    short = Training(name, **options).run(40)
    if name == "snip":
        short.longer = lambda name, steps: Training(  # type: ignore[method-assign]
            name, steps, state=copy.deepcopy(short.pruner.state_dict()), extend=True,
            model=copy.deepcopy(short.model), **options,
        )  # fmt: skip
    long = short.longer(name, 60)
    assert (long.pruner.steps, long.pruner.sparsity) == (40, short.pruner.sparsity)
    long.run(20)
    assert all(torch.equal(mask, short.pruner.masks[n]) for n, mask in long.pruner.masks.items())
    assert long.zeros >= long.pruner.sparsity == short.pruner.sparsity  # some kept ones are 0
    pairs = zip(long.model.parameters(), short.model.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in pairs)
    assert "after step 60 of 60" in str(long.pruner)
    with pytest.warns(RuntimeWarning, match="training continues after the 60 steps"):
        long.run(1)


@pytest.mark.parametrize("name", ["gmp", "granet", "rigl", "dpf"])
def test_updates_that_are_still_due_are_made_as_they_were_planned(name: str) -> None:
    undisturbed, short = Training(name).run(40), Training(name).run(11)
    long = short.longer(name, 100).run(29)
    for one, other in zip(long.model.parameters(), undisturbed.model.parameters(), strict=True):
        assert torch.equal(one, other)
    long.run(60)
    assert all(
        torch.equal(mask, undisturbed.pruner.masks[n]) for n, mask in long.pruner.masks.items()
    )


def test_a_longer_training_is_resumed_and_made_longer_again() -> None:
    long = Training("gmp").run(40).longer("gmp", 60).run(5)
    resumed = long.longer("gmp", 60)
    assert torch.equal(resumed.run(15).model[0].weight, long.run(15).model[0].weight)
    assert long.longer("gmp", 80).run(20).pruner.metrics()["steps"] == 80


@pytest.mark.parametrize(
    ("name", "steps", "given", "message"),
    [
        ("gmp", 60, False, "extend: give the state of the training to extend as state="),
        ("gmp", 20, True, "extend: the state is of 40 steps; give the method steps= of the whole"),
        ("rigl", 60, True, "the state is of gmp .* this pruner of rigl"),
    ],
)
def test_what_is_no_longer_training_is_refused(
    name: str, steps: int, given: bool, message: str
) -> None:
    state = Training("gmp").pruner.state_dict() if given else None
    with pytest.raises(ValueError, match=message):
        Training(name, steps, state=state, extend=True)
