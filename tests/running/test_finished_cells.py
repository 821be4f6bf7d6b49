"""A cell counts as done exactly where its result, or the copy of it, is one of that cell."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from fabricate import GRID, grid, likely, measured, result_of

from fggp.foundation.errors import ResultError
from fggp.foundation.validation import ConfigError
from fggp.running.progress import finished_cells
from fggp.running.progress.finished_cells import FinishedCells, expected
from fggp.study.cell import Cell
from fggp.study.config import cells, load
from fggp.study.result_file import SEAL, Result, kept, write
from fggp.study.stored_results import finished
from fggp.study.study_folder import write_expected

STUDY = grid()
CELL = next(it for it in cells(STUDY) if it.label == "fggp")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A finished result with its copy."""
    target = tmp_path / "seed1.json"
    write(result_of(CELL, likely(CELL)), target)
    return target


def seen(cell: Cell, path: Path) -> bool:
    return FinishedCells().done(cell, path) is not None


def edit(path: Path, change: Callable[[Result], object]) -> None:
    """Change a result on disk, laid out as it was; as before results had checksums."""
    result = json.loads(path.read_text())
    change(result)
    result["provenance"].pop(SEAL, None)
    path.write_text(json.dumps(result, indent=1) + "\n")


def test_a_result_says_how_it_came_out_and_what_it_took(path: Path) -> None:
    edit(path, lambda it: it["outcome"].update(verdict="diverged"))
    found = FinishedCells().done(CELL, path)
    assert found is not None
    assert (found.verdict, found.seconds) == ("diverged", 60.5)
    assert found.device == ("cpu", "a processor")


def test_a_result_says_what_it_cost_where_it_knows(path: Path) -> None:
    older = FinishedCells().done(CELL, path)
    assert older is not None
    assert (older.images_per_second, older.joules) == (None, None)
    edit(path, lambda it: measured(CELL, it))
    found = FinishedCells().done(CELL, path)
    assert found is not None
    assert (found.images_per_second, found.joules) == (301, 40 * 60.5)


def test_the_copy_counts_where_the_result_is_gone_or_of_other_settings(path: Path) -> None:
    path.unlink()
    assert seen(CELL, path)
    other = CELL.model_copy(update={"seed": 9})
    write(result_of(other, 900), path)
    kept(path).write_text(json.dumps(result_of(CELL, 900), indent=1))
    assert seen(CELL, path)


def test_nothing_there_is_not_done(tmp_path: Path) -> None:
    assert not seen(CELL, tmp_path / "seed1.json")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "another seed": lambda it: edit(it, lambda r: r["cell"].update(seed=7)),
    "another setting": lambda it: edit(
        it, lambda r: r["cell"]["method"]["settings"].update(rate=0.25)
    ),
    "another numerics version": lambda it: edit(it, lambda r: r["outcome"].update(numerics=99)),
    "another schema": lambda it: edit(it, lambda r: r.update(schema=99)),
    "no seconds": lambda it: edit(it, lambda r: r["provenance"].pop("seconds")),
    "a cell that is none": lambda it: edit(it, lambda r: r.update(cell=3)),
    "a cell without data": lambda it: edit(it, lambda r: r["cell"].pop("data")),
    "cut short": lambda it: it.write_text(it.read_text()[:-40]),
    "cut at the start": lambda it: it.write_text(it.read_text()[50:]),
    "empty": lambda it: it.write_text(""),
    "bytes": lambda it: it.write_bytes(b"\xff\x00" * 9000),
    "a folder": lambda it: (it.unlink(), it.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_or_of_another_cell_is_not_done(path: Path, damage: str) -> None:
    kept(path).unlink()
    DAMAGE[damage](path)
    assert not seen(CELL, path)


def test_what_is_not_in_its_head_or_tail_counts_as_well(path: Path) -> None:
    kept(path).unlink()
    edit(path, lambda it: it["outcome"]["updates"][0].update(step="no step"))
    assert not seen(CELL, path)


def test_a_file_is_read_again_only_where_it_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(path).unlink()
    results, other = FinishedCells(), CELL.model_copy(update={"seed": 9})
    first = results.done(CELL, path)
    assert first is not None
    with monkeypatch.context() as patched:
        patched.setattr(finished_cells, "matching", lambda *_: pytest.fail("it was read again"))
        assert results.done(CELL, path) is first
    assert results.done(other, path) is None
    edit(path, lambda it: it["provenance"].update(seconds=99.25))
    again = results.done(CELL, path)
    assert again is not None
    assert again.seconds == 99.25
    path.unlink()
    assert results.done(CELL, path) is None


def test_settings_that_came_later_leave_a_result_done(path: Path) -> None:
    kept(path).unlink()
    edit(path, lambda it: it["cell"]["method"]["settings"].pop("floor"))
    assert finished(CELL, path)
    assert seen(CELL, path)


def test_settings_that_came_later_are_no_excuse_for_another_value(path: Path) -> None:
    kept(path).unlink()
    edit(path, lambda it: it["cell"]["method"]["settings"].pop("floor"))
    edit(path, lambda it: it["cell"]["method"]["settings"].update(rate=0.25))
    assert not seen(CELL, path)


def test_a_setting_that_is_no_more_is_another_cell(path: Path) -> None:
    kept(path).unlink()
    edit(path, lambda it: it["cell"]["method"]["settings"].update(gone=1))
    assert not finished(CELL, path)
    assert not seen(CELL, path)


@pytest.mark.parametrize("change", [{}, {"seeds": [3]}, {"training": {"epochs": 5}}])
def test_it_agrees_with_a_whole_reading_for_every_cell(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    for cell in cells(grid(**change)):
        path = tmp_path / f"{cell.id}.json"
        write(result_of(cell, 900), path)
    for cell in cells(STUDY):
        path = tmp_path / f"{cell.id}.json"
        assert seen(cell, path) == finished(cell, path)


def test_the_configuration_says_the_cells_and_without_one_their_list(tmp_path: Path) -> None:
    configuration, home = tmp_path / "small.yaml", tmp_path / "small"
    configuration.write_text(yaml.safe_dump(GRID, sort_keys=False))
    wanted = {cell.id: cell for cell in cells(load(configuration))}
    assert list(expected(home, configuration).cells.items()) == list(wanted.items())
    write_expected(load(configuration), home / "cells.json")
    assert expected(home, None).cells == wanted
    write_expected(grid(seeds=[9]), home / "cells.json")
    assert expected(home, configuration).cells == wanted
    assert len(expected(home, None).cells) == len(wanted) / 2


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"configuration": {}, "cells": [3]}'])
def test_a_damaged_list_is_no_matter_with_a_configuration_and_refused_without(
    tmp_path: Path, text: str
) -> None:
    configuration, home = tmp_path / "small.yaml", tmp_path / "small"
    configuration.write_text(yaml.safe_dump(GRID, sort_keys=False))
    home.mkdir()
    (home / "cells.json").write_text(text)
    assert len(expected(home, configuration).cells) == 22
    with pytest.raises(ResultError, match="not the list of a study's cells"):
        expected(home, None)


def test_a_bad_configuration_is_told_and_not_passed_over(tmp_path: Path) -> None:
    configuration = tmp_path / "small.yaml"
    configuration.write_text(yaml.safe_dump(GRID | {"seeds": ["x"]}))
    with pytest.raises(ConfigError, match="seeds"):
        expected(tmp_path, configuration)
