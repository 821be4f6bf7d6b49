"""Outputs of commands: a folder in place of a file, and a damaged file of measurements."""

import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch import nn

import fggp
from fggp.cli import main
from fggp.cli.arguments import EXAMPLES
from fggp.foundation.files import write_text
from fggp.storage.packing import PackError

FOLDERS = (".", "/", "", "./", "..", "folder")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a folder in it, in which commands are run."""
    inside = tmp_path / "inside"
    (inside / "folder").mkdir(parents=True)
    monkeypatch.chdir(inside)
    return inside


def line(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the one line with which a command fails."""
    assert main(arguments) == 1
    (only,) = capsys.readouterr().err.splitlines()
    assert only.startswith("fggp: ")
    return only


@pytest.mark.parametrize("out", FOLDERS)
@pytest.mark.parametrize("verb", ["pack", "unpack", "shrink"])
def test_an_output_that_is_a_folder_is_refused_in_one_line(
    verb: str, out: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), "weights.pt")
    assert "is a folder; give OUT the name of a file" in line(
        verb, "weights.pt", out, capsys=capsys
    )


@pytest.mark.parametrize("out", FOLDERS)
def test_a_folder_cannot_be_packed_to(out: str, place: Path) -> None:
    before = sorted(place.parent.rglob("*"))
    with pytest.raises(PackError, match=r"cannot be written \(Is a directory\)"):
        fggp.pack(nn.Linear(2, 2), out)
    with pytest.raises(IsADirectoryError) as refusal:
        write_text(Path(out), "text")
    assert refusal.value.filename == str(Path(out))
    assert sorted(place.parent.rglob("*")) == before


@pytest.mark.parametrize("out", ["", "nothing", "folder"])
def test_a_schema_is_written_whole_or_not_at_all(
    out: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "README.md: no such file" in line("schema", "--write", out, capsys=capsys)
    assert [path.name for path in place.rglob("*")] == ["folder"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyse", "demo", "--out", ""], "'' is not the name of a folder"),
        (["figure", "forest", "demo", "--width", "0.01"], "'0.01' is not a number from 1 to 40"),
        (["figure", "forest", "demo", "--width", "1e9"], "'1e9' is not a number from 1 to 40"),
    ],
)
def test_an_output_that_cannot_be_made_is_a_wrong_use(
    arguments: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


def test_a_terminal_without_unicode_gets_other_characters(place: Path) -> None:
    """Half the pages of the methods have signs that Latin-1, or ASCII, does not have."""
    ran = subprocess.run(
        [sys.executable, "-m", "fggp", "methods", "fggp"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "?" in ran.stdout
    assert not ran.stderr


@pytest.mark.parametrize(("verb", "status"), [("train", 75), ("run", 75), ("methods", 0)])
def test_only_a_training_whose_output_is_closed_is_not_done(
    verb: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``fggp run … | head`` must not look like a study that is trained."""

    def closed(options: Namespace) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(f"fggp.cli.{verb}.do", closed)
    monkeypatch.setattr(os, "dup2", lambda *numbers: None)
    monkeypatch.setattr(sys.stdout, "fileno", lambda: -1, raising=False)
    assert main([verb, *["demo"] * (verb != "methods")]) == status
    assert ("the same command continues" in capsys.readouterr().err) == (status == 75)


def test_a_study_outside_config_is_found_by_its_name_where_its_results_suffice(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("elsewhere").mkdir()
    shutil.copy(EXAMPLES / "demo.yaml", "elsewhere/own.yaml")
    assert main(["plan", "elsewhere/own.yaml", "--write"]) == 0
    assert main(["status", "own"]) == 75
    capsys.readouterr()
    said = line("plan", "own", capsys=capsys)
    assert said.endswith(
        "own.yaml: no such study; give the path of the .yaml file behind results/own"
    )


def test_weights_of_another_network_are_refused_without_an_option_that_a_command_lacks(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"a.weight": torch.ones(2, 2)}, "other.pt")
    fggp.pack({"a.weight": torch.ones(2, 2)}, "other.fggp")
    begin = "other.pt: not the weights of a network of fggp (resnet20, "
    said = line("shrink", "other.pt", "out.fggp", capsys=capsys)
    assert begin in said
    assert said.endswith("; load them into their module in Python, and call fggp.shrink(module)")
    measured = line("latency", "other.fggp", capsys=capsys)
    assert measured.endswith("; load them into their module in Python")


def never(*arguments: object, **options: object) -> None:
    raise AssertionError("it is measured")


def test_a_damaged_file_of_latencies_is_refused_before_anything_is_measured(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fggp.running.latency.measure", never)
    fggp.pack(nn.Linear(2, 2), "model.fggp")
    for content in ("{", '{"latency": [{}]}', '{"other": []}'):
        Path("model.fggp.latency.json").write_text(content)
        said = line("latency", "model.fggp", capsys=capsys)
        assert "model.fggp.latency.json: not a file of latencies" in said
        assert said.endswith("delete it and measure again")
        assert Path("model.fggp.latency.json").read_text() == content


def test_a_damaged_file_of_essential_sparsity_is_refused_before_anything_is_measured(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fggp.running.essential.measure", never)
    monkeypatch.setattr("fggp.running.essential.dense_cells", lambda *_: ["cell"])
    (place / "folder/cells.json").write_text(json.dumps({}))
    (place / "folder/essential.json").write_text("{")
    said = line("essential", "folder", capsys=capsys)
    assert "folder/essential.json: not a file of one-shot accuracies" in said


@pytest.mark.parametrize("alpha", ["1e-8", "1e-12", "1e-100", "1e-300", "1e-320"])
def test_a_level_too_small_to_compute_is_refused_in_one_line(
    alpha: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = line("power", "--sd", "1", "--seeds", "2", "--alpha", alpha, capsys=capsys)
    assert f"at level alpha = {float(alpha):.3g} with 1 degrees of freedom" in said
    assert said.endswith("choose a larger alpha or more seeds")


def test_a_small_level_with_more_seeds_is_computed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["power", "--sd", "1", "--seeds", "3", "--alpha", "1e-8"]) == 0
    assert "| mean over this grid" in capsys.readouterr().out
