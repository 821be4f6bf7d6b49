"""Batches of one image, on which batch normalization of 1×1 planes cannot train, are refused."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from fggp.data.sizes import Size
from fggp.foundation.validation import ConfigError
from fggp.models import build
from fggp.models.registry import names
from fggp.study.cell import Backbone
from fggp.study.config import cells, check_size, load
from fggp.study.config_limits import check_fit
from fggp.study.single_images import trains_on_one_image

CONFIG = Path(__file__).parents[2] / "config"
SMALL = {
    "base": str(CONFIG / "demo.yaml"),
    "backbones": {"vgg19": {"width": "1/16"}},
    "sparsities": [0.9],
    "initial_sparsities": [0],
    "seeds": [1],
    "methods": {"dense": {}},
    "pruning": {"update_every": 1, "end_epoch": 3},
}
Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """Reads the small study with changes; returns the complaint, or nothing."""

    def read(train: int | None = None, size: Size | None = None, **changes: Any) -> str:
        data: dict[str, Any] = {"kind": "digits", "name": "digits", "validation": 147}
        if size is not None:
            data = {"kind": "folder", "name": "images", "path": "images", "validation": 0}
        path = tmp_path / "small.yaml"
        path.write_text(yaml.safe_dump(SMALL | {"data": data | {"train": train}} | changes))
        try:
            study = load(path)
            if size is not None:
                check_size(study, size)
        except ConfigError as error:
            return str(error)
        return ""

    return read


@pytest.mark.parametrize("side", [16, 31, 32, 64])
@pytest.mark.parametrize("name", names())
def test_every_network_is_said_to_train_on_one_image_just_where_it_does(
    name: str, side: int
) -> None:
    model = build(name, width=Fraction(1, 32)).train()
    try:
        model(torch.zeros(1, 3, side, side)).sum().backward()
    except ValueError:
        trains = False
    else:
        trains = True
    backbone = Backbone(name=name, width=Fraction(1, 32))
    assert trains_on_one_image(backbone, side) == trains


def test_a_last_batch_of_one_image_is_refused_with_values_that_are_valid(refused: Refused) -> None:
    said = refused(321)
    assert "training.batch_size: 32 leaves one of 321 images for the last batch" in said
    assert said.endswith("the nearest valid is 33, or data.train: 320")
    assert not refused(321, training={"batch_size": 33})
    assert not refused(320)
    assert not refused(321, backbones={"resnet50": {}}), "it has planes of 2×2 there"


def test_every_network_of_a_study_is_looked_at(refused: Refused) -> None:
    both = {"resnet50": {"width": "1/16"}, "vgg19": {"width": "1/16"}}
    assert "on which vgg19 cannot train" in refused(321, backbones=both)


def test_a_batch_size_of_one_is_refused(refused: Refused) -> None:
    said = refused(320, training={"batch_size": 1})
    assert "training.batch_size: 1 image is a batch, on which vgg19 cannot train" in said
    assert said.endswith("the nearest valid is 2")
    assert refused(321, training={"batch_size": 1}).endswith("the nearest valid is 3")
    assert not refused(321, training={"batch_size": 1}, backbones={"resnet50": {}})


def test_images_that_are_counted_first_are_looked_at_then(refused: Refused) -> None:
    size = Size(65, 20, 16)
    assert "leaves one of 65 images for the last batch" in refused(size=size)
    assert not refused(size=Size(65, 20, 32)), "it has planes of 2×2 there"
    assert not refused(size=Size(66, 20, 16))


@pytest.mark.parametrize("images", [2, 3])
def test_halves_of_one_image_are_refused_for_the_method_that_makes_them(
    refused: Refused, images: int
) -> None:
    few = {"training": {"batch_size": images}}
    said = refused(images, methods={"grasp": {}}, **few)
    assert f"data.train: of {images} images, grasp halves the batch to one image" in said
    assert not refused(images, methods={"snip": {}}, **few)
    assert not refused(4, methods={"grasp": {}}, training={"batch_size": 4})


def test_a_method_that_fine_tunes_is_refused_with_the_others(refused: Refused) -> None:
    said = refused(321, methods={"dense": {}, "global-mp": {}, "small-dense": {}})
    assert said.count("training.batch_size") == 1


def test_the_shipped_studies_have_no_such_batch_whatever_the_size_of_their_images() -> None:
    for path in sorted(CONFIG.glob("*.yaml")):
        if path.stem not in {"colours", "stats", "claims"}:
            study = load(path)
            if study.data.kind == "digits":
                check_fit(cells(study)[:1], Size(1197, 600, 16))
