import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from analysed_study import Analysed
from fabricate import fabricate, grid

from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.collect.runs_csv import read_runs
from fggp.analysis.tables import TABLES, write_table
from fggp.analysis.tables.formats import p_value, shown
from fggp.analysis.tables.ranking import ranking
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell
from fggp.study.result_file import Result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fabricate(tmp_path / "small", grid(seeds=[1, 2, 3]))
    aggregate(tmp_path / "small")
    return tmp_path / "small"


def text(folder: Path, name: str) -> str:
    return (folder / "tables" / name).read_text()


@pytest.mark.parametrize("name", TABLES)
def test_every_table_comes_in_three_forms(analysed_once: Analysed, name: str) -> None:
    paths = [analysed_once.out / f"tables/{name}.{form}" for form in ("csv", "md", "tex")]
    assert set(paths) <= set(analysed_once.printed)
    assert all(path.stat().st_size for path in paths)


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
    assert "n = 3" in shown
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


def test_nothing_to_show_is_told_and_no_failure(tmp_path: Path) -> None:
    fabricate(tmp_path, grid(methods={"dense": {}}), skip=lambda cell: True)
    aggregate(tmp_path, partial=True)
    for name in TABLES:
        write_table(name, tmp_path)
        for form in ("md", "tex"):
            assert re.search(
                "Nothing to (rank|show|compare)|not in this study", text(tmp_path, f"{name}.{form}")
            )


@pytest.mark.parametrize(
    "changes",
    [
        {"sparsities": [0.9], "initial_sparsities": [0], "seeds": [1]},
        {"seeds": [1]},
        {"methods": {"dense": {}}},
        {"methods": {"random": {}, "rigl": {}}},
        {"methods": {"fggp": {}}},
        {"methods": {"gmp": {}, "granet": {}}},
        {"methods": {"gmp": {}, "small-dense": {}}},
    ],
)
def test_a_study_too_small_for_a_table_gets_words_and_no_failure(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    fabricate(tmp_path, grid(**changes))
    aggregate(tmp_path)
    for name in TABLES:
        write_table(name, tmp_path)
        assert len(text(tmp_path, f"{name}.md").splitlines()) >= 4, name


def test_the_note_says_which_plan_was_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    write_table("comparisons", folder)
    assert "Plan of the analysis: the one inside the package." in text(folder, "comparisons.md")
    (tmp_path / "config/stats.yaml").write_text("alpha: 0.1\n")
    write_table("comparisons", folder)
    shown = text(folder, "comparisons.md")
    assert "Plan of the analysis: config/stats.yaml." in shown
    assert "90 % on this grid" in shown


def test_markdown_underlines_and_latex_too_what_is_near_the_best(tmp_path: Path) -> None:
    fabricate(tmp_path, grid(methods={"gmp": {}, "fggp": {}}, seeds=[1, 2, 3]))
    aggregate(tmp_path)
    write_table("settings", tmp_path)
    assert re.search(r"<u>\d+\.\d\d ± \d\.\d\d</u>", text(tmp_path, "settings.md"))
    assert re.search(r"\\underline\{\d+\.\d\d ± \d\.\d\d\}", text(tmp_path, "settings.tex"))


def test_a_long_latex_table_runs_over_pages_with_its_note_once(tmp_path: Path) -> None:
    fabricate(tmp_path, grid(sparsities=[0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98]))
    aggregate(tmp_path)
    write_table("settings", tmp_path)
    latex = text(tmp_path, "settings.tex")
    assert latex.startswith("% needs \\usepackage{booktabs,longtable}\n\\begin{longtable}")
    assert latex.count("Test accuracy at the last epoch") == 1
    assert "\\caption[]{(continued)} \\\\\n\\toprule" in latex
    assert "longtable" not in text_of("ranking", tmp_path)


def text_of(name: str, folder: Path) -> str:
    write_table(name, folder)
    return text(folder, f"{name}.tex")


def test_numbers_that_are_equal_but_for_rounding_read_the_same() -> None:
    assert shown(3.2650000000000006, "+.2f") == shown(3.265, "+.2f")
    assert shown(-5e-17, "+.2f") == shown(0.0, "+.2f")
    assert shown(float("nan"), ".2f") == "-"
    column = p_value("p", "p")
    assert [column.text({"p": p}) for p in (0.00048828, 0.05, 1e-20)] == [
        "0.00049",
        "0.05",
        "1e-20",
    ]


def test_an_unknown_name_gets_the_nearest(folder: Path) -> None:
    with pytest.raises(ResultError, match="unknown table 'rankin'; did you mean 'ranking'"):
        write_table("rankin", folder)


def test_a_description_cannot_break_the_latex_table(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    fabricate(folder, grid(description="R&D_1: 5 % of {x} #2"))
    aggregate(folder)
    write_table("ranking", folder)
    assert r"\caption{R\&D\_1: 5 \% of \{x\} \#2. " in text(folder, "ranking.tex")
