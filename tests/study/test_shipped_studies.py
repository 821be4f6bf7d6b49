"""Studies that are kept as a record still describe the trainings that were shipped for them."""

from pathlib import Path

import pytest

from fggp.study.config import cells, load
from fggp.study.stored_results import finished
from fggp.study.study_folder import run_path

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["reading-folder", "confirm-folder", "mini-95-folder"])
def test_the_results_that_are_shipped_are_those_of_the_configuration(name: str) -> None:
    folder = ROOT / "results/reference" / name
    asked = cells(load(ROOT / f"config/{name}.yaml"))
    assert [cell.id for cell in asked if not finished(cell, run_path(folder, cell))] == []
    assert len(list((folder / "runs").rglob("seed*.json"))) == len(asked)
