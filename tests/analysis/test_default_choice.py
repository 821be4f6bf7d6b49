"""The page about the choice of the default takes its numbers from the tables of two studies."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fabricate import analysed

from fggp.analysis.default_choice import default_choice
from fggp.analysis.plan import default_plan
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell

ANNEALED = {"schedule": "cosine", "start": "1/2", "end": 0.005}
CHOOSING: dict[str, Any] = {
    "dense": {},
    "gmp": {},
    "fggp": {"pool": "kept"},
    "active": {"method": "fggp"},
    "annealed": {"method": "fggp", "pool": "kept", "rate": ANNEALED},
}
REPEATING: dict[str, Any] = {
    "dense": {},
    "fggp": {},
    "former": {"method": "fggp", "pool": "kept"},
}


def correct(cell: Cell) -> int:
    noise = sha256(cell.id.encode()).digest()[0] % 7
    return 700 + noise + 20 * (cell.method.settings.get("pool") == "active")


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    declared = default_plan().default_reading
    for name, methods in ((declared.study, CHOOSING), (declared.confirm, REPEATING)):
        analysed(tmp_path / name, correct, methods=methods, sparsities=[0.95], seeds=[1, 2, 3])
    return tmp_path


def test_the_choice_is_todays_default_and_its_numbers_are_those_of_the_studies(
    figures: Path,
) -> None:
    choice = default_choice(figures)
    assert choice["winner"].label == "active"
    assert choice["winner"].apart == "pool active"
    assert 1 < choice["winner"].pooled.mean < 3  # 20 of 1000 images are 2 points
    assert choice["winner"].pooled_holm < 0.05
    assert choice["winner"].pooled.p < choice["winner"].pooled_holm
    assert choice["repeated"].low > 0  # the sign is that of the default minus the former one
    assert choice["chosen"].trainings == 3 * (1 + 4 * 2)
    assert "| active " in choice["chosen"].table


def test_a_candidate_has_a_fixed_rate_the_gradient_first_and_both_criteria(figures: Path) -> None:
    rows = {row.label: row.candidate for row in default_choice(figures)["chosen"].rows}
    assert rows == {"active": True, "annealed": False}


def test_a_study_without_tables_is_named_with_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="make paper"):
        default_choice(tmp_path)
