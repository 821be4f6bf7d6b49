"""Layers that stay dense count as kept: a sparsity means as many weights with them as without."""

import copy
from typing import Any

import pytest
import torch
from networks import IMAGES, LABELS, SIZES, TOTAL, in_time, network
from torch import nn

import fggp
from fggp.foundation.exact import kept_count, ratio
from fggp.models import build
from fggp.pruning.dense_layers import DenseLayers, named_layers
from fggp.pruning.timing import Timing

TIMING = Timing(steps=12, begin=0, end=9, every=3)
FIRST, LAST = "0.weight", "8.weight"
PRUNING = [
    name
    for name, it in fggp.METHODS.items()
    if it.starts != "none" and it.exact and not it.recipe().narrow
]


def pruned(model: nn.Module, name: str, start: Any = 0, **options: Any) -> fggp.Pruner:
    method = fggp.method(
        name,
        sparsity=0.6,
        steps=12,
        timing=None if fggp.METHODS[name].recipe().rounds else TIMING,
        **({"initial_sparsity": start} if start else {}),
        **in_time(name, TIMING),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    data = {"batches": [(IMAGES, LABELS)], "loss": nn.functional.cross_entropy}
    return fggp.Pruner(model, optimizer, method, dense=[FIRST], **data, **options)


def train(pruner: fggp.Pruner, steps: int) -> None:
    for _ in range(steps):
        nn.functional.cross_entropy(pruner.model(IMAGES), LABELS).backward()
        pruner.optimizer.step()
        pruner.step()
        pruner.optimizer.zero_grad()


@pytest.mark.parametrize("name", PRUNING)
def test_every_method_meets_the_target_over_all_weights_and_leaves_the_layer_dense(
    name: str,
) -> None:
    pruner = pruned(network(), name)
    for _ in range(12):
        train(pruner, 1)
        layers = {layer.name: layer for layer in pruner.layers()}
        assert list(layers) == list(pruner.masks) == [FIRST, "3.weight", LAST]
        assert layers[FIRST].kept == SIZES[0]
        assert bool(pruner.masks[FIRST].all())
    assert pruner.total == TOTAL
    assert sum(it.kept for it in layers.values()) == kept_count(TOTAL, ratio(0.6))
    assert pruner.sparsity == pytest.approx(0.6, abs=1 / TOTAL)


def test_a_sparse_start_has_the_exact_count_too() -> None:
    layers = pruned(network(), "fggp", start=0.5).layers()
    assert sum(layer.kept for layer in layers) == kept_count(TOTAL, ratio(0.5))
    assert layers[0].kept == layers[0].total


def test_the_weights_of_a_dense_layer_are_those_of_an_unpruned_training() -> None:
    model = network()
    pruner = pruned(model, "fggp")
    pruner.step()
    before = copy.deepcopy(model[0].weight)
    pruner.apply()
    assert torch.equal(model[0].weight, before)
    assert model[0].weight.count_nonzero() == SIZES[0]


def test_stopped_and_resumed_is_never_stopped() -> None:
    whole = pruned(network(), "fggp", start=0.5)
    train(whole, 12)
    first = pruned(network(), "fggp", start=0.5)
    train(first, 5)
    states = [it.state_dict() for it in (first.model, first.optimizer, first)]
    again = pruned(network(1), "fggp", start=0.5)
    for part, state in zip((again.model, again.optimizer, again), states, strict=True):
        part.load_state_dict(copy.deepcopy(state))
    train(again, 7)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dense": "0.weight"}, "give a list of names"),
        ({"dense": ["1.weight"]}, "'1.weight' is not prunable"),
        ({"dense": [FIRST, "3.weight", LAST]}, "leave one out"),
        ({"dense": ["3.weight"]}, "dense layers have 432 weights, and sparsity 0.9 keeps 63"),
        ({"dense": ["2.weight"]}, "no parameter '2.weight'; did you mean"),
    ],
)
def test_what_cannot_be_dense_is_one_line(options: dict[str, Any], words: str) -> None:
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    method = fggp.method("gmp", sparsity=0.9, steps=12)
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        fggp.Pruner(model, optimizer, method, **options)


@pytest.mark.parametrize("name", ["fggp", "rigl", "dpf"])
def test_a_state_with_other_dense_layers_is_refused(name: str) -> None:
    saved = pruned(network(), name).state_dict()
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    method, pruned_layers = pruned(network(), name).method, [*saved["masks"]]
    with pytest.raises(
        ValueError, match=rf"of {TOTAL} weights, .* of {TOTAL - SIZES[0]}; .*dense="
    ):
        fggp.Pruner(model, optimizer, method, params=pruned_layers, state=saved)


def test_named_layers_are_first_a_layer_or_its_weight() -> None:
    model = network()
    assert named_layers(model, ["first", "8", "3.weight"]) == [FIRST, LAST, "3.weight"]
    with pytest.raises(ValueError, match="'last' is not a prunable layer; use '0', '3', '8'"):
        named_layers(model, ["last"])


@pytest.mark.parametrize(
    ("sparsity", "kept"), [(0.9, 2_002_400), (0.95, 1_001_200), (0.98, 400_480)]
)
def test_vgg19_at_full_width_keeps_these_weights_with_its_first_convolution_dense(
    sparsity: float, kept: int
) -> None:
    with torch.device("meta"):
        model = build("vgg19")
    layers = DenseLayers(model, None, named_layers(model, ["first"]))
    method = fggp.method("fggp", sparsity=sparsity, steps=100)
    assert (layers.total, layers.weights) == (20_024_000, 1728)
    assert layers.keep(method, method.timing.updates) + layers.weights == kept
