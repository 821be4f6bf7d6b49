"""Tables that no longer match the results of their study."""

import os
from pathlib import Path

import pytest
from fabricate import analysed

from fggp.analysis.collect.outdated import SLACK, outdated
from fggp.analysis.page.pictures import outdated_figures
from fggp.cli import main


def results(folder: Path) -> list[Path]:
    """Return the results of a study, after deleting their copies, which would replace them."""
    found = sorted((folder / "runs").rglob("*.json"))
    for path in found:
        if path.name.startswith("."):
            path.unlink()
    return [path for path in found if not path.name.startswith(".")]


def test_tables_of_all_results_are_up_to_date(tmp_path: Path) -> None:
    assert not outdated(analysed(tmp_path))
    (tmp_path / "runs/stray.json").write_text("{}")
    assert not outdated(tmp_path), "no result of the study"


def test_tables_without_results_beside_them_are_taken_as_they_are(tmp_path: Path) -> None:
    folder = analysed(tmp_path)
    for path in results(folder):
        path.unlink()
    assert "has 22 trainings and the study 0" in outdated(folder)
    (folder / "runs").rename(folder / "elsewhere")
    assert not outdated(folder)


def test_a_result_that_was_trained_again_is_noticed(tmp_path: Path) -> None:
    folder = analysed(tmp_path)
    later = (folder / "runs.csv").stat().st_mtime + 2 * SLACK
    os.utime(results(folder)[0], (later, later))
    assert "is older than a result" in outdated(folder)


@pytest.mark.parametrize("command", [["table", "ranking"], ["figure", "forest"], ["page"]])
def test_commands_on_tables_warn_and_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    folder = analysed(tmp_path / "small")
    results(folder)[0].unlink()
    assert main([command[0], *command[1:], str(folder)]) == 0
    told = capsys.readouterr().err
    assert "warning: " in told
    assert "has 22 trainings and the study 21; write the tables again with" in told
    assert f"`fggp aggregate {folder}`" in told


def test_claims_are_decided_from_the_results_and_not_from_older_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = analysed(tmp_path / "small")
    results(folder)[0].unlink()
    before = (folder / "runs.csv").read_bytes()
    assert main(["claims", str(folder)]) == 1
    assert "1 of 22 results are missing" in capsys.readouterr().err
    assert main(["claims", str(folder), "--partial"]) == 2
    assert "PARTIAL" in capsys.readouterr().out
    assert (folder / "runs.csv").read_bytes() == before


def test_settings_that_changed_after_the_tables_are_noticed(tmp_path: Path) -> None:
    folder = analysed(tmp_path)
    later = (folder / "runs.csv").stat().st_mtime + 2 * SLACK
    os.utime(folder / "cells.json", (later, later))
    assert "is older than the settings of the study (cells.json)" in outdated(folder)


def test_a_page_of_older_figures_warns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = analysed(tmp_path / "small")
    assert main(["figure", "forest", str(folder)]) == 0
    assert main(["page", str(folder)]) == 0
    assert "warning" not in capsys.readouterr().err
    earlier = (folder / "runs.csv").stat().st_mtime - 2 * SLACK
    for form in ("png", "pdf"):
        os.utime(folder / f"figures/forest.{form}", (earlier, earlier))
    assert main(["page", str(folder)]) == 0
    told = capsys.readouterr().err
    assert f"warning: figures of {folder} that are older than its data: 1; draw" in told
    assert f"`fggp figure all {folder}`" in told


def test_a_picture_of_ones_own_is_no_figure_of_the_study(tmp_path: Path) -> None:
    folder = analysed(tmp_path)
    (folder / "figures").mkdir()
    own = folder / "figures/mine.png"
    own.write_bytes(b"")
    os.utime(own, (0, 0))
    assert not outdated_figures(folder)


def test_the_command_names_a_folder_outside_of_results_by_its_path(tmp_path: Path) -> None:
    folder = analysed(tmp_path / "small")
    results(folder)[0].unlink()
    assert outdated(folder).endswith(f"`fggp aggregate {folder}`")
