from pathlib import Path

import pandas as pd
import pytest

from fabricate import fabricate, grid
from fggp.analysis.aggregate import aggregate
from fggp.analysis.frames import read_runs
from fggp.analysis.ranking import ranking
from fggp.analysis.tables import TABLES, write_table
from fggp.cell import Cell
from fggp.cli import analyse as verb
from fggp.results import Result, ResultError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fabricate(tmp_path / "small")
    aggregate(tmp_path / "small")
    return tmp_path / "small"


def text(folder: Path, name: str) -> str:
    return (folder / "tables" / name).read_text()


def test_the_names_on_the_command_line_are_those_of_the_registry() -> None:
    assert tuple(TABLES) == verb.TABLES


@pytest.mark.parametrize("name", TABLES)
def test_every_table_comes_in_three_forms_with_stable_bytes(folder: Path, name: str) -> None:
    paths = write_table(name, folder)
    assert [path.name for path in paths] == [f"{name}.{form}" for form in ("csv", "md", "tex")]
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in write_table(name, folder)] == before


def test_the_csv_is_exact(folder: Path) -> None:
    write_table("ranking", folder)
    table, stored = ranking(read_runs(folder)), pd.read_csv(folder / "tables/ranking.csv")
    assert list(stored["accuracy_percent"]) == pytest.approx(
        list(table["accuracy_percent"]), rel=1e-15
    )


def test_reading_forms_round_and_mark_the_best(folder: Path) -> None:
    write_table("ranking", folder)
    first = ranking(read_runs(folder)).iloc[0]
    rank, accuracy = f"{first['average_rank']:.2f}", f"{first['accuracy_percent']:.2f}"
    assert f"**{rank}**" in text(folder, "ranking.md")
    assert rf"\textbf{{{rank}}}" in text(folder, "ranking.tex")
    assert rf"\textbf{{{accuracy}}}" in text(folder, "ranking.tex")
    assert "**" not in text(folder, "ranking.md").split("dense (reference)")[1].split("\n")[0]


def test_latex_is_booktabs_with_escaped_labels(folder: Path) -> None:
    write_table("ranking_all", folder)
    latex = text(folder, "ranking_all.tex")
    assert all(rule in latex for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert r"fggp, 50 \% sparse start" in latex
    assert r"accuracy (\%)" in latex
    unescaped = [line for line in latex.splitlines() if "%" in line.replace(r"\%", "")]
    assert unescaped == [r"% needs \usepackage{booktabs}"]


@pytest.mark.parametrize("form", ["md", "tex"])
def test_every_table_says_how_many_and_which_accuracy(folder: Path, form: str) -> None:
    write_table("ranking", folder)
    shown = text(folder, f"ranking.{form}")
    assert "n = 2" in shown
    assert "4 settings of backbone, sparsity and initial sparsity" in shown
    assert "at the last epoch" in shown
    assert "PARTIAL" not in shown
    assert "MIXED" not in shown


@pytest.mark.parametrize("form", ["md", "tex"])
def test_partial_and_mixed_tables_say_so_loudly(tmp_path: Path, form: str) -> None:
    def change(cell: Cell, result: Result) -> None:
        if cell.seed == 2:
            result["provenance"]["device"] = "cuda"

    fabricate(tmp_path, change=change, skip=lambda cell: cell.id == "vgg19/s95/i0/gmp/seed2")
    aggregate(tmp_path, partial=True, allow_mixed_device=True)
    write_table("ranking", tmp_path)
    assert "PARTIAL" in text(tmp_path, f"ranking.{form}")
    assert "MIXED DEVICES" in text(tmp_path, f"ranking.{form}")


@pytest.mark.parametrize("name", TABLES)
def test_nothing_to_rank_is_told_and_no_failure(tmp_path: Path, name: str) -> None:
    fabricate(tmp_path, grid(methods={"dense": {}}))
    aggregate(tmp_path)
    write_table(name, tmp_path)
    assert "Nothing to rank" in text(tmp_path, f"{name}.md")
    assert "Nothing to rank" in text(tmp_path, f"{name}.tex")


def test_an_unknown_name_gets_the_nearest(folder: Path) -> None:
    with pytest.raises(ResultError, match="no table is called 'rankin'; did you mean 'ranking'"):
        write_table("rankin", folder)


def test_a_description_cannot_break_the_latex_table(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    fabricate(folder, grid(description="R&D_1: 5 % of {x} #2"))
    aggregate(folder)
    write_table("ranking", folder)
    assert r"\caption{R\&D\_1: 5 \% of \{x\} \#2. " in text(folder, "ranking.tex")
