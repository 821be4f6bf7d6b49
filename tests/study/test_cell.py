import json
from fractions import Fraction
from typing import Any

import pytest
from fabricate import grid
from pydantic import ValidationError

from fggp.study.cell import Cell, Record, canonical
from fggp.study.config import cells

PLAIN: dict[str, Any] = {
    "backbone": {"name": "vgg19", "width": 1},
    "data": {"name": "cifar10", "validation": 5000},
    "label": "fggp",
    "method": {"name": "fggp", "settings": {"rate": 0.5}},
    "sparsity": 0.98,
    "initial_sparsity": 0.5,
    "seed": 3,
    "training": {},
    "pruning": {},
}


def cell(**changes: Any) -> Cell:
    return Cell(**(PLAIN | changes))


def test_key_order_and_the_way_a_number_is_written_do_not_matter() -> None:
    one = cell(sparsity="0.980", initial_sparsity="1/2", backbone={"width": "1.0", "name": "vgg19"})
    other = Cell(**dict(reversed(PLAIN.items())))
    assert one == other == cell()
    assert one.canonical() == other.canonical() == cell().canonical()


def test_written_out_defaults_are_the_implied_ones() -> None:
    written = {"epochs": 160, "lr": "1/10", "weight_decay": "5e-4", "lr_milestones": [0.5, "3/4"]}
    assert cell(training=written).canonical() == cell().canonical()
    assert cell(pruning={"end_epoch": 80}) == cell()


@pytest.mark.parametrize(
    ("implied", "explicit"),
    [
        ({"fggp": {}}, {"fggp": {"rate": "1/2"}}),
        ({"fggp": {"rate": 0.5}}, {"fggp": {"method": "fggp"}}),
        ({"granet": {}}, {"granet": {"final_drop_fraction": "5e-3", "drop_fraction": 0.5}}),
        ({"random": {}}, {"random": {"distribution": "erk"}}),
    ],
)
def test_written_out_settings_are_the_implied_ones(implied: Any, explicit: Any) -> None:
    one, other = (cells(grid(methods=methods)) for methods in (implied, explicit))
    assert [c.canonical() for c in one] == [c.canonical() for c in other]
    assert one == other


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"sparsity": 0.95},
        {"initial_sparsity": 0},
        {"initial_sparsity": None},
        {"label": "fggp-cosine"},
        {"method": {"name": "fggp", "settings": {"rate": 0.25}}},
        {"training": {"threads": 2}},
        {"training": {"precision": "tf32"}},
        {"training": {"layout": "channels_last"}},
        {"pruning": {"update_every": 999}},
        {"backbone": {"name": "vgg19", "width": 0.5}},
        {"data": {"name": "cifar10", "validation": 5000, "train": 100}},
    ],
)
def test_whatever_can_change_the_outcome_makes_another_cell(changes: dict[str, Any]) -> None:
    assert cell(**changes) != cell()
    assert cell(**changes).canonical() != cell().canonical()


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, "vgg19/s98/i50/fggp/seed3"),
        ({"sparsity": "0.995"}, "vgg19/s99.5/i50/fggp/seed3"),
        ({"initial_sparsity": None, "label": "random"}, "vgg19/s98/iany/random/seed3"),
        ({"sparsity": 0, "initial_sparsity": 0, "label": "dense"}, "vgg19/s0/i0/dense/seed3"),
        ({"backbone": {"name": "resnet50", "width": 1}}, "resnet50/s98/i50/fggp/seed3"),
        ({"seed": 0, "initial_sparsity": "0.125"}, "vgg19/s98/i12.5/fggp/seed0"),
    ],
)
def test_results_lie_where_the_setting_label_and_seed_say(
    changes: dict[str, Any], path: str
) -> None:
    assert cell(**changes).id == path


@pytest.mark.parametrize("width", [1, "1/8", "1/3", 0.7])
@pytest.mark.parametrize("start", [None, 0, "1/3"])
def test_a_cell_comes_back_from_its_canonical_text(width: Any, start: Any) -> None:
    made = cell(backbone={"name": "vgg19", "width": width}, initial_sparsity=start)
    again = Cell(**json.loads(made.canonical()))
    assert again == made
    assert again.canonical() == made.canonical()
    assert again.backbone.width == Fraction(str(width))


def test_every_cell_of_a_study_comes_back_from_its_canonical_text() -> None:
    for made in cells(grid()):
        assert Cell(**json.loads(made.canonical())) == made


def test_the_canonical_text_of_a_cell_never_changes() -> None:
    assert cell().canonical() == (
        '{"backbone":{"name":"vgg19","width":1},'
        '"data":{"name":"cifar10","train":null,"validation":5000},'
        '"initial_sparsity":0.5,"label":"fggp",'
        '"method":{"name":"fggp","settings":{"rate":0.5}},'
        '"pruning":{"begin_epoch":0,"end_epoch":80,"update_every":1000},'
        '"seed":3,"sparsity":0.98,'
        '"training":{"batch_size":128,"epochs":160,"flip":true,"layout":"contiguous","lr":0.1,'
        '"lr_decay":0.1,"lr_milestones":[0.5,0.75],"momentum":0.9,"nesterov":true,"pad":4,'
        '"precision":"fp32","threads":1,"weight_decay":0.0005}}'
    )


def test_the_checksum_of_the_data_ties_a_cell_and_unties_it() -> None:
    tied = cell().with_data("d" * 64)
    assert tied != cell()
    assert tied.id == cell().id
    assert json.loads(tied.canonical())["data"]["sha256"] == "d" * 64
    assert "sha256" not in cell().canonical()
    assert tied.with_data(None) == cell()


@pytest.mark.parametrize("field", ["seed", "label", "sparsity", "training"])
def test_a_cell_cannot_be_changed(field: str) -> None:
    made = cell()
    with pytest.raises(ValidationError, match="frozen"):
        setattr(made, field, getattr(made, field))
    with pytest.raises(ValidationError, match="frozen"):
        made.training.epochs = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "changes",
    [
        {"sede": 1},
        {"label": "Fggp"},
        {"label": "a/b"},
        {"label": ".."},
        {"seed": "3"},
        {"seed": -1},
        {"sparsity": 1.5},
        {"backbone": {"name": "vgg16", "width": 1}},
        {"training": {"epoch": 3}},
    ],
)
def test_what_is_no_cell_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cell(**changes)


def test_canonical_text_has_no_place_for_what_json_lacks() -> None:
    assert canonical({"b": [1, 2.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,2.5,null]}'
    with pytest.raises(ValueError, match="JSON"):
        canonical(float("nan"))


def test_a_setting_that_is_not_written_at_its_default_has_no_other_value_in_older_files() -> None:
    blocks = Record.__subclasses__()
    assert {"Training", "Pruning", "Backbone"} <= {it.__name__ for it in blocks if it.later}
    for block in blocks:
        assert block.later <= block.model_fields.keys(), block
        assert not block.later & block.earlier.keys(), block
