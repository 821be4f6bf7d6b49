"""Every registered method through the training of a cell: digits, seconds, stopped and resumed."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fggp import METHODS
from fggp.cell import Cell, canonical
from fggp.checkpoint import Checkpoint
from fggp.data import Dataset, load, prepare
from fggp.errors import Failure
from fggp.making import network_of
from fggp.models.narrow import narrower, weights
from fggp.selection import kept_count
from fggp.train import Stopped, train

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("one_thread")


def cell(name: str) -> Cell:
    definition = METHODS[name]
    start = {"both": 0.5, "one": None, "none": 0}[definition.starts]
    settings = {"share": 0.7} if name == "imp" else {}
    return Cell(
        backbone={"name": "vgg19", "width": "1/32"},
        data={"name": "digits", "validation": 147, "train": 90},
        label=name,
        method={"name": name, "settings": settings},
        sparsity=0 if definition.starts == "none" else 0.8,
        initial_sparsity=start,
        seed=1,
        training={"epochs": 2, "batch_size": 32, "lr": 1, "pad": 1},
        pruning={"update_every": 2, "end_epoch": 1},
    )


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return load(prepare("digits", tmp_path_factory.mktemp("data") / "digits.npz"))


@pytest.fixture(scope="module")
def dense(digits: Dataset) -> Mapping[str, Tensor]:
    state = network_of(cell("dense"), len(digits.classes), CPU).state_dict()
    state["classifier.weight"] *= 20  # training makes it so; it begins smaller than all others
    return state


def stop_at(step: int):
    left = iter(range(step))
    return lambda: next(left, None) is None


class Forgetful:
    def save(self, state: dict[str, Any]) -> None:
        pass

    def load(self) -> None:
        return None


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_and_resumes_to_the_same_bytes(
    name: str, tmp_path: Path, digits: Dataset, dense: Mapping[str, Tensor]
) -> None:
    wanted = cell(name)
    outcome = train(wanted, digits, device=CPU, store=Forgetful(), trained=dense)
    store = Checkpoint(tmp_path / "c.ckpt", wanted, "cpu")
    with pytest.raises(Stopped):
        train(wanted, digits, device=CPU, store=store, trained=dense, stop=stop_at(2))
    again = train(wanted, digits, device=CPU, store=store, trained=dense)
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
            train(cell(name), digits, device=CPU, store=Forgetful())


@pytest.mark.parametrize("sparsity", ["0.5", "0.9", "0.98"])
@pytest.mark.parametrize("backbone", ["vgg19", "resnet50"])
def test_the_narrower_network_is_the_widest_with_no_more_weights(
    backbone: str, sparsity: str
) -> None:
    keep = kept_count(weights(backbone, Fraction(1), 10), Fraction(sparsity))
    width = narrower(backbone, Fraction(1), 10, keep)
    assert weights(backbone, width, 10) <= keep < weights(backbone, width + Fraction(1, 1000), 10)
    assert weights(backbone, width, 10) > 0.95 * keep


def test_the_weights_of_the_backbones_are_counted_without_making_them() -> None:
    assert weights("vgg19", Fraction(1), 10) == 20_024_000
    assert weights("resnet50", Fraction(1), 10) == 23_467_712
