"""A file is compared by what it was written with, whatever came later."""

import json
from pathlib import Path
from typing import Any

import pytest
from fabricate import grid, result_of

from fggp.methods import METHODS
from fggp.study.cell import Backbone, Cell, Images, Pruning, Record, Training
from fggp.study.config import BackboneBlock, Data, cells
from fggp.study.dependencies import origin
from fggp.study.result_file import seal, write
from fggp.study.stored_results import (
    StoredResult,
    finished,
    in_canonical_form,
    stored_cell,
    with_earlier,
)
from fggp.study.study_folder import read_expected, write_expected

CELL = next(cell for cell in cells(grid()) if cell.label == "fggp")
BLOCKS: list[tuple[type[Record], str, str, Any]] = [
    (Training, "training", "nesterov", False),
    (Training, "training", "lr", 0.25),
    (Pruning, "pruning", "begin_epoch", 1),
    (Backbone, "backbone", "width", 0.25),
    (Images, "data", "train", 77),
]
each_block = pytest.mark.parametrize(
    ("model", "block", "key", "earlier"), BLOCKS, ids=[f"{it[1]}.{it[2]}" for it in BLOCKS]
)


def without(cell: Cell, block: str, key: str) -> dict[str, Any]:
    content = cell.plain()
    del content[block][key]
    return content


@each_block
def test_a_block_that_lacks_a_setting_has_the_value_of_its_time(
    monkeypatch: pytest.MonkeyPatch, model: type[Record], block: str, key: str, earlier: Any
) -> None:
    monkeypatch.setattr(model, "earlier", {key: earlier})
    found = stored_cell(without(CELL, block, key))
    assert found.plain()[block][key] == earlier
    assert found == Cell(**{**CELL.plain(), block: {**CELL.plain()[block], key: earlier}})
    assert stored_cell(CELL.plain()) == CELL, "the content of the file counts"
    assert in_canonical_form(without(CELL, block, key))


@pytest.mark.parametrize("key", ["nesterov", "lr_milestones", "threads"])
def test_without_a_value_of_its_time_it_has_the_default(key: str) -> None:
    assert CELL.plain()["training"][key] == Training().model_dump(mode="json")[key]
    assert stored_cell(without(CELL, "training", key)) == CELL


def test_a_result_belongs_to_the_cell_of_its_time_and_stays_as_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, result = tmp_path / "seed1.json", result_of(CELL, 900)
    del result["cell"]["training"]["nesterov"]
    write(result, path)
    text = path.read_text()
    assert finished(CELL, path)
    monkeypatch.setattr(Training, "earlier", {"nesterov": False})
    of_then = CELL.model_copy(
        update={"training": CELL.training.model_copy(update={"nesterov": False})}
    )
    assert not finished(CELL, path)
    assert finished(of_then, path)
    assert StoredResult.of(json.loads(text), path).belongs_to(of_then)
    assert path.read_text() == text
    assert json.loads(text)["provenance"]["sha256"] == seal(result)


def test_a_list_of_cells_and_its_configuration_have_the_values_of_their_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cells.json"
    write_expected(grid(), path)
    content = json.loads(path.read_text())
    for part in (content["configuration"], *content["cells"]):
        del part["training"]["nesterov"]
        del part["pruning"]["begin_epoch"]
    for data in (content["configuration"]["data"], *(it["data"] for it in content["cells"])):
        del data["train"]
    for name in content["configuration"]["backbones"]:
        del content["configuration"]["backbones"][name]["width"]
    for cell in content["cells"]:
        del cell["backbone"]["width"]
    path.write_text(json.dumps(content))
    monkeypatch.setattr(Training, "earlier", {"nesterov": False})
    for model in (Backbone, BackboneBlock):
        monkeypatch.setattr(model, "earlier", {"width": 0.25})
    for other in (Images, Data):
        monkeypatch.setattr(other, "earlier", {"train": 77})
    configuration, listed = read_expected(tmp_path)
    assert configuration["training"]["nesterov"] is False
    assert configuration["data"]["train"] == 77
    assert {it["width"] for it in configuration["backbones"].values()} == {0.25}
    for cell in listed:
        found = (cell.training.nesterov, cell.pruning.begin_epoch, cell.data.train)
        assert found == (False, 0, 77)
        assert cell.backbone.width == 0.25


def test_a_study_names_what_its_blocks_had_earlier_as_the_cell_does() -> None:
    assert BackboneBlock.earlier is Backbone.earlier
    assert Data.earlier is Images.earlier


@pytest.mark.parametrize("content", [None, 3, [], "x"])
def test_what_is_no_block_is_left_to_the_validation(content: Any) -> None:
    assert with_earlier(Training, content) == content
    assert with_earlier(Cell, {"training": content}) == {"training": content}


def test_a_value_that_is_written_otherwise_is_not_in_canonical_form() -> None:
    content = CELL.plain()
    content["training"]["lr"] = "1/10"
    assert stored_cell(content) == CELL
    assert not in_canonical_form(content)


def test_the_dense_cell_that_is_waited_for_names_every_setting() -> None:
    imp = CELL.model_copy(
        update={"method": CELL.method.model_copy(update={"name": "global-mp", "settings": {}})}
    )
    before = origin(imp)
    assert before is not None
    assert before.method.settings == METHODS["dense"].defaults
