import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from analysed_study import Analysed, without_torch
from fabricate import fabricate, grid

from fggp.analysis import figure_style as style
from fggp.analysis.collect.aggregate import aggregate
from fggp.cli import main
from fggp.study.essential_file import ESSENTIAL
from fggp.study.latency_file import LATENCY

pytestmark = pytest.mark.long

SHIPPED = Path(__file__).parents[2] / "results/reference/mini-95-folder"


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(style, "DPI", 50)  # nothing but faster
    folder = tmp_path / "results/other-small"
    fabricate(folder, grid(sparsities=[0.9], initial_sparsities=[0], seeds=[1]))
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_another_folder_gets_what_the_study_would_and_the_study_stays_as_it_is(
    analysed_once: Analysed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "DPI", 50)
    before, out = files(analysed_once.study), analysed_once.out
    assert {name: sha256(text).hexdigest() for name, text in before.items()} == analysed_once.before
    assert set(analysed_once.printed) == {out / name for name in files(out)}
    study = tmp_path / "results/small"
    shutil.copytree(analysed_once.study, study)
    assert main(["analyse", str(study)]) == 0
    after = files(study)
    for name in before:
        after.pop(name) if name != "cells.json" else None
    assert files(out) == after, "another place, or another run with torch, gives other bytes"
    assert {"page.html", "runs.csv", "tables/ranking.csv", "figures/forest.png"} <= set(after)


def test_a_folder_may_be_written_to_again(analysed_once: Analysed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(analysed_once.out, out)
    before = files(out)
    aggregate(analysed_once.study, out)
    assert files(out) == before


def test_measurements_that_were_deleted_are_not_shown_elsewhere(
    study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for name, key in ((LATENCY, "latency"), (ESSENTIAL, "essential")):
        (study / name).write_text(f'{{"{key}": []}}')
    aggregate(study, out)
    assert (out / LATENCY).exists()
    assert (out / ESSENTIAL).exists()
    (study / LATENCY).unlink()
    (study / ESSENTIAL).unlink()
    aggregate(study, out)
    assert not (out / LATENCY).exists()
    assert not (out / ESSENTIAL).exists()


def test_the_parts_of_an_analysis_made_elsewhere_can_be_made_anew(
    analysed_once: Analysed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "DPI", 50)
    out = tmp_path / "out"
    shutil.copytree(analysed_once.out, out)
    before = files(out)
    for name in ("page.html", "tables/ranking.csv", "figures/forest.csv"):
        (out / name).unlink()
    for arguments in (["table", "ranking"], ["figure", "forest"], ["page"]):
        assert main([*arguments, str(out)]) == 0
    assert files(out) == before


def test_a_folder_with_trainings_is_refused_and_not_touched(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "results/other"
    fabricate(other, grid(sparsities=[0.95], seeds=[3]))
    before = files(other)
    assert main(["analyse", str(study), "--out", str(other)]) == 1
    assert complaint(capsys) == (
        f"fggp: {other}: contains the trainings of a study; give a folder without runs/"
    )
    assert files(other) == before


def test_a_folder_of_another_study_is_refused_and_not_touched(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "results/planned"
    fabricate(other, skip=lambda cell: True)
    before = files(other)
    assert main(["analyse", str(study), "--out", str(other)]) == 1
    assert "contains files of another study, planned; give another folder" in complaint(capsys)
    assert files(other) == before


def test_what_is_no_folder_is_refused_in_one_line(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    for out in ("file", "file/below"):
        assert main(["analyse", str(study), "--out", str(tmp_path / out)]) == 1
        assert f"fggp: {tmp_path / out}: cannot be written to (" in complaint(capsys)


def test_results_that_are_missing_leave_nothing_behind(tmp_path: Path) -> None:
    fabricate(tmp_path / "study", skip=lambda cell: cell.label == "gmp")
    assert main(["analyse", str(tmp_path / "study"), "--out", str(tmp_path / "out")]) == 1
    assert not (tmp_path / "out").exists()


def test_the_studys_own_folder_may_be_named(study: Path) -> None:
    assert aggregate(study, study / ".." / study.name)
    assert (study / "runs.csv").exists()


def test_shipped_results_are_analysed_without_torch_and_not_touched(tmp_path: Path) -> None:
    before = files(SHIPPED)
    out = tmp_path / "out"
    aggregate(SHIPPED, out, partial=True)
    lines = [["table", "ranking"], ["figure", "forest"], ["page"]]
    without_torch([[*line, str(out)] for line in lines], tmp_path / "blocked")
    assert ",gmp," in (out / "figures/forest.csv").read_text()
    assert "mini-95-folder" in (out / "page.html").read_text()
    assert files(SHIPPED) == before
