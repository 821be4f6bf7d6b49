"""Networks from outside the package in a study: planned if they fit, else refused in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fggp.data.sizes import Size
from fggp.foundation.validation import ConfigError
from fggp.models import open_networks
from fggp.study import costs
from fggp.study.cell import Backbone, Cell
from fggp.study.config import Study, cells, check_size, load
from fggp.study.networks import measured

Load = Callable[..., Study]
STUDY = {
    "data": {"kind": "digits", "name": "digits", "validation": 100, "train": 200},
    "backbones": {"mine": {"source": "mine:build"}},
    "sparsities": [0.9],
    "initial_sparsities": [0.5],
    "seeds": [1],
    "methods": {"dense": {}, "gmp": {}},
    "training": {"epochs": 2, "batch_size": 32, "pad": 1},
    "pruning": {"update_every": 3, "end_epoch": 1},
}
OWN = """
import torch
from torch import nn

def build(classes, width=1):
    n = int(16 * width)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n, classes)]
    return nn.Sequential(nn.Conv2d(3, n, 3), nn.BatchNorm2d(n), nn.ReLU(), *head)

def fixed(classes):
    return build(classes)

class Strange(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body, self.lost = build(classes), nn.Linear(3, 4)

    def forward(self, x):
        return self.body(x) if float(x.sum()) < 1e9 else None

def two(classes):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = build(classes)
        def forward(self, x):
            return self.body(x), x
    return Two()

def flat(classes, side):
    first = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    return nn.Sequential(first, nn.Flatten(), nn.Linear(4 * side * side, classes))

def wide(classes):
    return build(classes + 1)

def lazy(classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))

def numbers(classes):
    model = Strange(classes)
    del model.lost
    return model
"""


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.setattr(open_networks, "_FILES", {})
    monkeypatch.setenv(open_networks.VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(OWN)

    def load_with(**changes: Any) -> Study:
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(STUDY | changes))
        return load(tmp_path / "own.yaml")

    return load_with


def refusal(read: Load, **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(**changes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_cell_names_the_source_and_never_a_folder(read: Load) -> None:
    first, *_ = cells(read())
    assert first.plain()["backbone"] == {"name": "mine", "width": 1, "source": "mine:build"}
    assert Cell(**first.plain()) == first
    stem = {"resnet18": {"source": "torchvision", "stem": "small", "lr": 0.3}}
    first, *_ = cells(read(backbones=stem, data=STUDY["data"] | {"train": 100}))
    assert first.plain()["backbone"]["stem"] == "small"
    assert first.id == "resnet18/s0/i0/dense/seed1"


def test_networks_of_the_package_have_the_text_that_they_had(read: Load) -> None:
    first, *_ = cells(read(backbones={"vgg19": {"width": 0.125}}))
    assert first.plain()["backbone"] == {"name": "vgg19", "width": 0.125}


def test_what_it_costs_is_measured_on_the_network(read: Load) -> None:
    (cell, *_), size = cells(read(backbones={"mine": STUDY["backbones"]["mine"]})), Size(9, 9, 16)
    parameters = 16 * 27 + 16 + 32 + 160 + 10
    found = measured(cell.backbone, 16)
    assert found is not None
    assert found.parameters == costs.parameters(cell, 16) == parameters
    assert found.macs == 14 * 14 * 16 * 27 + 160
    saved = 4 * (3 * 16 * 16 + 2 * 16 * 14 * 14 + 16)  # image, before and after the norm, features
    assert found.activations_mb * 1e6 == pytest.approx(saved, rel=0.05)
    cpu = costs.device("cpu")
    rate = costs.rate_of(cell, cpu, 16)
    assert rate is not None
    assert "of a forward pass, at the pace of resnet50" in rate.source
    assert (costs.seconds(cell, size, cpu) or 0) > cpu.start


@pytest.mark.parametrize("name", ["vgg19", "resnet50"])
def test_measured_costs_are_those_on_record(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of(cell: Cell) -> list[float]:
        cpu, size = costs.device("cpu"), Size(50_000, 10_000, 32)
        found = costs.parameters(cell), costs.needed_mb(cell, size), costs.seconds(cell, size, cpu)
        return [it or 0 for it in found]

    plain = Backbone(name=name, width=1).model_dump()
    base = {"label": "dense", "method": {"name": "dense", "settings": {}}, "seed": 1}
    rest = {"sparsity": 0, "initial_sparsity": 0, "training": {}, "pruning": {}}
    cell = Cell.model_validate(
        {"backbone": plain, "data": {"name": "x", "validation": 0}} | base | rest
    )
    recorded = all_of(cell)
    monkeypatch.setattr(costs, "on_record", lambda backbone: False)
    counted = all_of(cell)
    assert counted[0] == recorded[0]
    assert counted[1] == pytest.approx(recorded[1], rel=0.1)
    assert counted[2] == pytest.approx(recorded[2], rel=0.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbones": {"resnet18": {}}}, "'resnet18' is not valid; did you mean 'resnet"),
        ({"backbones": {"resnet18": {}}}, "(another network needs its `source`)"),
        ({"backbones": {"My_Net": {"source": "mine:build"}}}, "'My_Net' is used in file names"),
        # In the columns of a ranking, these are parts of the settings.
        (
            {"backbones": {"s4": {"source": "mine:build"}}},
            "'s4' names a sparsity in tables, 4 %; use another name, such as nets4",
        ),
        ({"backbones": {"i50": {"source": "mine:build"}}}, "'i50' names a start in tables"),
        (
            {"backbones": {"iany": {"source": "mine:build"}}},
            "'iany' names a start in tables, any % start",
        ),
        ({"initial_sparsities": [0.0000001]}, "must be decimals, because they name folders"),
        ({"backbones": {"mine": {"source": "keras"}}}, "source: 'keras' is not a source of"),
        ({"backbones": {"mine": {"source": "other:build"}}}, "backbones.mine.source: "),
        ({"backbones": {"mine": {"source": "mine:built"}}}, "did you mean 'build'?"),
        ({"backbones": {"vgg19": {"stem": "small"}}}, "backbones.vgg19.stem: is for networks"),
        (
            {"backbones": {"mine": {"source": "mine:fixed", "width": 0.5}}},
            "backbones.mine.width: mine takes no width; remove the key",
        ),
        (
            {"backbones": {"resnet18": {"source": "torchvision", "width": 2}}},
            "backbones.resnet18.width: resnet18 takes no width",
        ),
        (
            {
                "backbones": {"mine": {"source": "mine:fixed"}},
                "methods": {"dense": {}, "small-dense": {}},
            },
            "methods.small-dense: mine takes no width, so there is no narrower one; leave out",
        ),
        (
            {"training": STUDY["training"] | {"layout": "by_stage"}},
            "training.layout: by_stage is not defined for mine; use channels_last",
        ),
        (
            {
                "backbones": {"mobilenetv2": {"source": "torchvision"}},
                "methods": {"dense": {}, "l1-filter": {}},
            },
            "methods.l1-filter: filters of mobilenetv2 cannot be pruned (features.1.conv.0.0: "
            "groups=32; only groups=1 is known",
        ),
        (
            {"backbones": {"vitb16": {"source": "torchvision"}}},
            "vitb16: does not take images of 16×16 pixels (Wrong image height! Expected 224",
        ),
        (
            {"backbones": {"mine": {"source": "mine:two"}}},
            "backbones.mine: returns tuple in training; return only logits (B, classes)",
        ),
        (
            {"backbones": {"mine": {"source": "mine:wide"}}},
            "backbones.mine: returns (2, 11) for 2 images of 16×16 pixels and 10 classes",
        ),
        (
            {"backbones": {"mine": {"source": "mine:Strange"}}},
            "backbones.mine: lost.weight is not the weight of an nn.Conv2d or nn.Linear that",
        ),
        (
            {"backbones": {"mine": {"source": "mine:lazy"}}},
            "'1.weight' has no shape yet, as its layer is lazy",
        ),
        ({"pruning": STUDY["pruning"] | {"dense": ["stem"]}}, "pruning.dense: in mine, 'stem'"),
    ],
    ids=lambda it: it[:40] if isinstance(it, str) else "",
)
def test_what_does_not_apply_is_refused_when_the_study_is_read(
    read: Load, changes: dict[str, Any], said: str
) -> None:
    assert said in refusal(read, **changes)


def test_a_network_that_needs_numbers_in_its_forward_is_tried_on_the_cpu(read: Load) -> None:
    study = read(backbones={"mine": {"source": "mine:numbers"}})
    assert cells(study)


def test_layers_that_stay_dense_are_counted_for_the_side_of_the_images(read: Load) -> None:
    """For images of 32 pixels, the network would have four times as many weights."""
    said = refusal(
        read,
        backbones={"mine": {"source": "mine:flat"}},
        pruning=STUDY["pruning"] | {"dense": ["0"]},
        sparsities=[0.99],
    )
    assert "these layers of mine have 108 weights, and a sparsity of 0.99 keeps 103" in said


def test_images_that_are_prepared_later_are_compared_then(read: Load) -> None:
    data = {"kind": "folder", "name": "images", "path": "images", "validation": 10}
    study = read(backbones={"alexnet": {"source": "torchvision"}}, data=data)
    with pytest.raises(ConfigError, match="alexnet: does not take images of 32×32 pixels"):
        check_size(study, Size(500, 100, 32))
    check_size(study, Size(500, 100, 64))
