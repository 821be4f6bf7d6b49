"""Scores that are trained in place of weights, beside a training that keeps both apart."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from networks import IMAGES, LABELS, TOTAL, network
from torch import Tensor, nn
from torch.func import functional_call

import fggp
from fggp.pruning.recipe import Soft

STEPS = 20
PRUNED = ("0.weight", "3.weight", "8.weight")


def sgd(parameters: object) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-3)


def batch(step: int) -> Tensor:
    return IMAGES.roll(step, dims=3) + step / 10


class Training:
    """The pruner in a plain loop."""

    def __init__(self, **settings: object) -> None:
        self.model = network()
        self.optimizer = sgd(self.model.parameters())
        method = fggp.method("jackpots", sparsity=0.8, steps=STEPS, **settings)
        self.pruner = fggp.Pruner(self.model, self.optimizer, method)
        self.at = 0

    def step(self) -> None:
        self.at += 1
        nn.functional.cross_entropy(self.model(batch(self.at)), LABELS).backward()
        self.optimizer.step()
        self.pruner.step()
        self.optimizer.zero_grad()

    @property
    def masks(self) -> list[Tensor]:
        return [mask.clone() for mask in self.pruner.masks.values()]


def largest(scores: Tensor, keep: int) -> Tensor:
    """The mask of the largest of a layer; of a tie the later position."""
    values = scores.detach().flatten().tolist()
    order = sorted(range(len(values)), key=lambda i: (values[i], i))
    mask = torch.zeros(len(values), dtype=torch.bool)
    mask[order[len(values) - keep :]] = True
    return mask.view(scores.shape)


class Plain:
    """Scores in an optimizer of their own, weights that nobody trains."""

    def __init__(self, masks: list[Tensor], margin: float) -> None:
        self.model, self.masks, self.at = network(), masks, 0
        parameters = dict(self.model.named_parameters())
        self.weights = [parameters[name].detach().clone() for name in PRUNED]
        self.scores = [nn.Parameter(torch.where(mask, 1.0, 1 - margin)) for mask in masks]
        self.optimizer = sgd(self.scores)

    def step(self) -> None:
        self.at += 1
        pairs = zip(self.weights, self.masks, strict=True)
        used = [(w * mask).requires_grad_() for w, mask in pairs]
        outputs = functional_call(self.model, dict(zip(PRUNED, used, strict=True)), batch(self.at))
        nn.functional.cross_entropy(outputs, LABELS).backward()
        for score, leaf, weight in zip(self.scores, used, self.weights, strict=True):
            assert leaf.grad is not None
            score.grad = leaf.grad * weight
        self.optimizer.step()
        self.masks = [
            largest(score, int(mask.sum()))
            for score, mask in zip(self.scores, self.masks, strict=True)
        ]


@pytest.mark.parametrize("margin", ["1/100", "1/10000"])
def test_scores_are_trained_straight_through_the_mask_and_weights_are_not(margin: str) -> None:
    training = Training(margin=margin)
    before = copy.deepcopy(training.model.state_dict())
    first = training.masks
    plain = Plain(first, float(fggp.METHODS["jackpots"].settings(margin=margin).margin))
    moved = 0
    for _ in range(STEPS):
        old = training.masks
        training.step()
        plain.step()
        moved += any(not torch.equal(a, b) for a, b in zip(old, training.masks, strict=True))
        assert all(map(torch.equal, training.masks, plain.masks))
        assert all(map(torch.equal, training.pruner.state_dict()["dense"], plain.scores))
        shown = [w * mask for w, mask in zip(plain.weights, plain.masks, strict=True)]
        assert all(map(torch.equal, training.pruner.parameters.values(), shown))
    assert moved > 3
    others = {name: it for name, it in training.model.state_dict().items() if name not in PRUNED}
    for name, value in others.items():
        counts = "running" in name or "num" in name
        assert torch.equal(value, plain.model.state_dict()[name]), name
        assert torch.equal(value, before[name]) != counts, name


def test_layers_have_what_the_largest_weights_leave_them_and_at_least_the_floor() -> None:
    training = Training(floor=0)
    kept = [int(mask.sum()) for mask in training.masks]
    parameters = [p.detach().abs().flatten() for p in network().parameters() if p.ndim > 1]
    least = torch.cat(parameters).sort().values[TOTAL - sum(kept)]
    assert kept == [int((p >= least).sum()) for p in parameters]
    floored = Training(floor=0.1)
    assert [int(mask.sum()) for mask in floored.masks][2] >= 4
    assert sum(int(mask.sum()) for mask in floored.masks) == sum(kept)


def test_a_dense_layer_stays_as_it_is() -> None:
    model = network()
    before = model[8].weight.detach().clone()
    optimizer = sgd(model.parameters())
    method = fggp.method("jackpots", sparsity=0.8, steps=STEPS)
    pruner = fggp.Pruner(model, optimizer, method, dense=["8.weight"])
    for step in range(4):
        nn.functional.cross_entropy(model(batch(step)), LABELS).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()
    assert torch.equal(model[8].weight, before)
    assert pruner.masks["8.weight"].all()


def test_a_saved_state_has_scores_and_weights() -> None:
    one, other = Training(), Training()
    for _ in range(7):
        one.step()
    state = copy.deepcopy(
        {it: getattr(one, it).state_dict() for it in ("model", "optimizer", "pruner")}
    )
    for name, value in state.items():
        getattr(other, name).load_state_dict(value)
    other.at = one.at
    for _ in range(5):
        one.step()
        other.step()
    assert all(map(torch.equal, one.model.parameters(), other.model.parameters()))
    for key in ("dense", "frozen"):
        pairs = (it.pruner.state_dict()[key] for it in (one, other))
        assert all(map(torch.equal, *pairs))


@pytest.mark.parametrize("after", [0, 7])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_a_copy_trains_its_scores_as_the_original(copied: Callable[[Any], Any], after: int) -> None:
    one = Training()
    for _ in range(after):
        one.step()
    other = copied(one)
    for _ in range(STEPS - after):
        one.step()
        other.step()
    scores, others = (it.pruner.state_dict()["dense"] for it in (one, other))
    assert all(len(score.unique()) > 2 for score in scores)
    assert all(map(torch.equal, scores, others))
    assert all(map(torch.equal, one.model.parameters(), other.model.parameters()))


def test_other_methods_keep_no_second_copy() -> None:
    assert Soft().margin is None
    model = network()
    pruner = fggp.Pruner(model, sgd(model.parameters()), fggp.method("dpf", sparsity=0.5, steps=40))
    assert pruner.state_dict()["frozen"] is None
