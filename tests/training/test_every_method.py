"""Every registered method through the training of a cell: digits, seconds, stopped and resumed."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import pytest
import small
import torch
from torch import Tensor

from fggp import METHODS
from fggp.data import Dataset
from fggp.foundation.errors import Failure
from fggp.foundation.exact import kept_count
from fggp.study.cell import Backbone, Cell, canonical
from fggp.training.build import network_of
from fggp.training.checkpoint import Checkpoint
from fggp.training.small_dense import narrower, weights
from fggp.training.train import Stopped, train

CPU = torch.device("cpu")


def cell(name: str) -> Cell:
    settings = {"share": 0.7} if name == "imp" else {}
    return small.cell(name, start=0.5, settings=settings, epochs=2, end=1)


@pytest.fixture(scope="module")
def dense(digits: Dataset) -> Mapping[str, Tensor]:
    state = network_of(cell("dense"), len(digits.classes), CPU).state_dict()
    state["classifier.weight"] *= 20  # training makes it so; it begins smaller than all others
    return state


def stop_at(step: int):
    left = iter(range(step))
    return lambda: next(left, None) is None


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_and_resumes_to_the_same_bytes(
    name: str, tmp_path: Path, digits: Dataset, dense: Mapping[str, Tensor]
) -> None:
    wanted = cell(name)
    outcome = train(wanted, digits, device=CPU, store=small.Forgetful(), trained=dense).plain()
    store = Checkpoint(tmp_path / "c.ckpt", wanted, "cpu")
    with pytest.raises(Stopped):
        train(wanted, digits, device=CPU, store=store, trained=dense, stop=stop_at(2))
    again = train(wanted, digits, device=CPU, store=store, trained=dense).plain()
    assert canonical(again) == canonical(outcome)
    kept = sum(layer["kept"] for layer in outcome["layers"])
    assert outcome["verdict"] == "completed"
    assert outcome["target"] == kept_count(outcome["prunable"], wanted.sparsity)
    if METHODS[name].exact:
        assert kept == outcome["target"]
    assert all(layer["nonzero"] <= layer["kept"] for layer in outcome["layers"])
    assert len(outcome["updates"]) <= 4  # as many as update_every makes, and the last


def test_a_method_that_starts_from_the_dense_network_says_where_it_is_missing(
    digits: Dataset,
) -> None:
    waiting = [it for it in METHODS if METHODS[it].recipe().fine_tune is not None]
    for name in waiting:
        with pytest.raises(Failure, match="starts from the trained dense network"):
            train(cell(name), digits, device=CPU, store=small.Forgetful())


@pytest.mark.parametrize("sparsity", ["0.5", "0.9", "0.98"])
@pytest.mark.parametrize("backbone", ["vgg19", "resnet50"])
def test_the_narrower_network_is_the_widest_with_no_more_weights(
    backbone: str, sparsity: str
) -> None:
    whole = Backbone(name=backbone, width=1)
    keep = kept_count(weights(whole, 10), Fraction(sparsity))
    found = narrower(whole, 10, keep)
    wider = Backbone(name=backbone, width=found.width + Fraction(1, 1000))
    assert weights(found, 10) <= keep < weights(wider, 10)
    assert weights(found, 10) > 0.95 * keep


def test_the_weights_of_the_backbones_are_counted_without_making_them() -> None:
    assert weights(Backbone(name="vgg19", width=1), 10) == 20_024_000
    assert weights(Backbone(name="resnet50", width=1), 10) == 23_467_712
