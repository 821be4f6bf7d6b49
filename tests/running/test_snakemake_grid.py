import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from fabricate import GRID, likely, result_of

from fggp.foundation.errors import Failure, ResultError
from fggp.foundation.validation import ConfigError
from fggp.running import snakemake_grid
from fggp.running.snakemake_grid import DEFAULT, Grid, cells_per_gpu, one_configuration
from fggp.study.cell import Cell
from fggp.study.config import cells
from fggp.study.result_file import kept, read, write
from fggp.study.study_folder import read_expected, run_path, write_expected

HERE = Path("config/small.yaml")
HOME = Path("results/small")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, as the workflow does."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(**changes: Any) -> Grid:
    HERE.parent.mkdir(exist_ok=True)
    HERE.write_text(yaml.safe_dump(GRID | changes, sort_keys=False))
    return Grid(HERE)


def finish(made: Grid, wanted: Callable[[Cell], bool] = lambda cell: True) -> None:
    """Leave the files that a finished study leaves."""
    write_expected(made.study, HOME / "cells.json")
    for cell in cells(made.study):
        if wanted(cell):
            write(result_of(cell, likely(cell)), run_path(HOME, cell))


def results() -> set[str]:
    return {str(path) for path in HOME.glob("runs/**/seed*.json")}


# ---------------------------------------------------------------------------- configuration


def test_without_a_file_it_is_the_paper() -> None:
    assert one_configuration([], {}) == DEFAULT == Path("config/paper.yaml")


def test_a_file_below_is_named_from_here_and_another_as_it_is(place: Path) -> None:
    assert one_configuration([place / "config" / "demo.yaml"], {}) == Path("config/demo.yaml")
    assert one_configuration([Path("config/demo.yaml")], {}) == Path("config/demo.yaml")
    elsewhere = place.parent / "demo.yaml"
    assert one_configuration([elsewhere], {}) == elsewhere


def test_two_files_are_refused_because_they_would_be_merged() -> None:
    with pytest.raises(Failure, match=r"one --configfile.*`base:`"):
        one_configuration([Path("config/paper.yaml"), Path("config/demo.yaml")], {})


@pytest.mark.parametrize("files", [[], [Path("config/demo.yaml")]])
def test_single_values_are_refused_with_a_hint_at_base(files: list[Path]) -> None:
    with pytest.raises(Failure, match=r"--config seeds=… .*`base: STUDY\.yaml`"):
        one_configuration(files, {"seeds": [9]})


def test_a_bad_study_is_refused_before_any_rule_is_made() -> None:
    with pytest.raises(ConfigError, match=r"config/small\.yaml: seeds\.0"):
        study(seeds=["x"])


# ----------------------------------------------------------------------------------- names


def test_every_cell_has_one_file_in_the_folder_of_the_study() -> None:
    made = study()
    assert len(made.run_files) == len(set(made.run_files)) == len(cells(made.study)) == 22
    assert made.run_files[0] == "results/small/runs/vgg19/s0/i0/dense/seed1.json"
    assert (made.home, made.name) == ("results/small", "small")
    assert (made.data, made.data_name, made.data_source) == ("data/digits.npz", "digits", "digits")


def test_wildcards_of_a_file_name_its_cell() -> None:
    made = study()
    for path, cell in zip(made.run_files, cells(made.study), strict=True):
        _, _, _, backbone, sparsity, start, label, seed = Path(path).with_suffix("").parts
        found = made.cell(
            SimpleNamespace(
                backbone=backbone,
                sparsity=sparsity[1:],
                start=start[1:],
                label=label,
                seed=seed[4:],
            )
        )
        assert found == cell


def test_wildcards_of_no_cell_are_refused_by_name() -> None:
    nowhere = SimpleNamespace(backbone="vgg19", sparsity="99", start="0", label="gmp", seed="1")
    with pytest.raises(Failure, match="study small has no cell vgg19/s99/i0/gmp/seed1"):
        study().cell(nowhere)


def test_the_digest_follows_the_configuration_and_not_its_text() -> None:
    digest = study().digest
    assert study(sparsities=["9/10", "0.950"]).digest == digest
    assert study(seeds=[1, 3]).digest != digest
    assert study(description="another").digest != digest


def test_every_attempt_asks_for_more() -> None:
    made = study()
    wildcards = SimpleNamespace(backbone="vgg19", sparsity="90", start="0", label="gmp", seed="1")
    for ask in (made.memory_mb, made.minutes):
        first, second = (ask(wildcards, attempt=attempt) for attempt in (1, 2))
        assert 0 < first < second
    assert made.gpus == 0


@pytest.mark.parametrize("asked", [None, "cuda"])
def test_digits_are_trained_on_a_gpu_only_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str | None
) -> None:
    monkeypatch.setenv("FGGP_DEVICE", asked or "")
    if not asked:
        monkeypatch.delenv("FGGP_DEVICE")
    cifar = {"kind": "cifar10", "name": "cifar10", "validation": 100}
    study(data=cifar).set_device()
    assert os.environ.get("FGGP_DEVICE") == asked
    study().set_device()
    assert os.environ["FGGP_DEVICE"] == (asked or "cpu")


# --------------------------------------------------------------------- several cells per job


@pytest.mark.parametrize(
    ("together", "expected"),
    [
        (1, {"train": ["{seed}"]}),
        (2, {"train_1": ["1", "4"], "train_2": ["2", "5"], "train_3": ["3"]}),
        (3, {"train_1": ["1", "3", "5"], "train_2": ["2", "4"]}),
        (5, {"train_1": ["1", "2", "3", "4", "5"]}),
        (9, {"train_1": ["1", "2", "3", "4", "5"]}),
    ],
)
def test_jobs_of_several_cells_hold_every_seed_once_and_are_of_like_size(
    together: int, expected: dict[str, list[str]]
) -> None:
    study(seeds=[1, 2, 3, 4, 5])
    assert Grid(HERE, together).packs == expected


def test_the_cells_of_a_job_differ_in_their_seed_alone_and_wait_for_their_own_origins() -> None:
    study(methods={"dense": {}, "global-mp": {}}, seeds=[1, 2, 3])
    made = Grid(HERE, 2)
    wildcards = SimpleNamespace(backbone="vgg19", sparsity="90", start="any", label="global-mp")
    held = made.members(wildcards, made.packs["train_1"])
    assert [cell.id for cell in held] == [f"vgg19/s90/iany/global-mp/seed{k}" for k in (1, 3)]
    assert made.origins(wildcards, ["1", "3"]) == [
        f"results/small/runs/vgg19/s0/i0/dense/seed{k}.json" for k in (1, 3)
    ]
    assert made.cell(wildcards) == held[0]
    dense = SimpleNamespace(backbone="vgg19", sparsity="0", start="0", label="dense", seed="2")
    assert made.origins(dense, ["{seed}"]) == []


@pytest.mark.parametrize("value", [0, -2, True, 1.5, "2", None])
def test_a_senseless_number_of_cells_per_job_is_refused(value: Any) -> None:
    with pytest.raises(Failure, match=r"cells_per_gpu=.* is not a whole number of at least 1"):
        cells_per_gpu({"cells_per_gpu": value})


def test_the_number_of_cells_per_job_is_no_part_of_a_study() -> None:
    assert cells_per_gpu({}) == 1
    assert cells_per_gpu({"cells_per_gpu": 4}) == 4
    assert one_configuration([], {"cells_per_gpu": 4}) == DEFAULT


def test_a_method_of_many_trainings_asks_for_as_much_more_time() -> None:
    made = study(methods={"gmp": {}, "imp": {}}, training={"epochs": 160})
    one = SimpleNamespace(backbone="vgg19", sparsity="90", start="0", label="gmp", seed="1")
    many = SimpleNamespace(backbone="vgg19", sparsity="90", start="any", label="imp", seed="1")
    assert made.minutes(many, attempt=1) - 30 > 5 * (made.minutes(one, attempt=1) - 30)


# ---------------------------------------------------------------------------------- settle


def test_an_unchanged_study_is_left_untouched(capsys: pytest.CaptureFixture[str]) -> None:
    made = study()
    finish(made)
    times = {path: path.stat().st_mtime_ns for path in HOME.rglob("*.json")}
    study(description="").settle()
    assert {path: path.stat().st_mtime_ns for path in HOME.rglob("*.json")} == times
    assert capsys.readouterr().err == ""


def test_a_study_that_was_never_listed_is_left_untouched() -> None:
    study().settle()
    assert not HOME.exists()


def test_results_without_a_listing_are_compared_with_the_study() -> None:
    finish(study())
    (HOME / "cells.json").unlink()
    study(methods=GRID["methods"] | {"fggp": {"rho": "1/4"}}).settle()
    assert (HOME / "cells.json").exists()
    assert len(results()) == 22 - sum("/fggp/" in cell.id for cell in cells(study().study))


DAMAGED = [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b'{"configuration": 7, "cells": []}']


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:5]))
def test_a_damaged_listing_is_refused_in_one_line_and_written_anew_where_asked(
    content: bytes,
) -> None:
    made = study()
    finish(made)
    listing = HOME / "cells.json"
    before = listing.read_bytes()
    listing.write_bytes(content)
    with pytest.raises(ResultError, match="not the list of a study's cells") as refusal:
        read_expected(HOME)
    assert "\n" not in str(refusal.value)
    write_expected(made.study, listing)
    assert listing.read_bytes() == before
    listing.write_bytes(content)
    made.settle()
    assert listing.read_bytes() == before
    assert len(results()) == 22


def test_results_of_other_settings_are_taken_away_and_brought_back_with_the_old_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish(study())
    before = {path: read(Path(path)) for path in results()}
    assert len(before) == 22

    changed = study(methods=GRID["methods"] | {"fggp": {"rho": "1/4"}})
    changed.settle()
    gone = {path for path in before if "/fggp/" in path}
    assert results() == set(before) - gone
    assert "other settings than the study now has: 8;" in capsys.readouterr().err
    assert read_expected(HOME)[1] == cells(changed.study)

    study().settle()
    assert {path: read(Path(path)) for path in results()} == before
    assert capsys.readouterr().err == ""


def test_a_change_of_the_training_takes_every_result_away() -> None:
    finish(study())
    study(training={"epochs": 5}).settle()
    assert results() == set()
    study().settle()
    assert len(results()) == 22


def test_added_cells_leave_the_results_of_the_others() -> None:
    finish(study())
    study(seeds=[1, 2, 3]).settle()
    assert len(results()) == 22


def test_what_was_trained_anew_is_not_brought_back() -> None:
    old, new = study(), study(training={"epochs": 5})
    finish(old)
    new.settle()
    finish(new)
    study().settle()
    assert results() == set()


def test_a_damaged_result_is_replaced_by_its_copy() -> None:
    made = study()
    finish(made)
    path = Path(made.run_files[0])
    path.write_text("{")
    study(description="another").settle()
    assert read(path) == read(kept(path))


def test_results_brought_back_do_not_hide_those_taken_away(
    capsys: pytest.CaptureFixture[str],
) -> None:
    old, first = study(), cells(study().study)[0]
    finish(old)
    new = study(training={"epochs": 5})
    new.settle()
    finish(new, wanted=lambda cell: cell.id == first.id)
    capsys.readouterr()
    study().settle()  # takes away the one trained again, and brings 21 back
    assert len(results()) == 21
    assert "other settings than the study now has: 1;" in capsys.readouterr().err


def test_a_result_without_a_copy_becomes_the_copy_and_comes_back() -> None:
    """A folder that was copied without hidden files lost its results in a dry run."""
    finish(study())
    for path in HOME.rglob(".seed*.json"):
        path.unlink()
    before = {path: read(Path(path)) for path in results()}
    study(training={"epochs": 5}).settle()
    assert results() == set()
    study().settle()
    assert {path: read(Path(path)) for path in results()} == before


def test_results_of_other_settings_are_found_if_something_else_wrote_the_new_listing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`fggp plan --write` and `fggp run` do; Snakemake then planned no training."""
    finish(study())
    study().settle()
    changed = study(methods=GRID["methods"] | {"fggp": {"rho": "1/4"}})
    write_expected(changed.study, HOME / "cells.json")
    changed.settle()
    assert len(results()) == 22 - 8
    assert "other settings than the study now has: 8;" in capsys.readouterr().err


def test_a_changed_image_whose_name_is_not_utf_8_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = study()
    monkeypatch.setattr(snakemake_grid, "source_changes", lambda data: "changed")
    monkeypatch.setattr(snakemake_grid, "changed_words", lambda data, it: "new: \udce9.png")
    made.settle()
    (mark,) = map(Path, made.data_marks)
    assert mark.read_text() == "new: \\udce9.png\n"
    assert "preparing it again" in capsys.readouterr().err


def test_a_device_that_does_not_exist_is_refused_before_any_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FGGP_DEVICE", "gpu")
    with pytest.raises(Failure, match="device 'gpu' is not one of auto, cpu, cuda"):
        study().set_device()


def test_a_result_and_the_copy_of_another_training_are_both_kept() -> None:
    made = study()
    finish(made)
    path = Path(made.run_files[0])
    other = path.read_bytes()
    again = read(path)
    again["outcome"]["weights_sha256"] = "0" * 64
    write(again, path)
    received = path.read_bytes()
    kept(path).write_bytes(other)
    study(training={"epochs": 5}).settle()
    beside = {it.read_bytes() for it in path.parent.glob(f".{path.stem}.*.json")}
    assert beside == {other, received}
    assert not path.exists()


def test_a_listing_that_another_command_wrote_is_compared_again() -> None:
    """The mark of the first settings was still valid after two changes of the study."""
    first, second = study(), study(training={"epochs": 5})
    finish(first)
    first.settle()
    finish(second)  # as `fggp run` does
    write_expected(first.study, HOME / "cells.json")  # as `fggp plan --write` does
    first.settle()
    assert results() == set()


def test_a_folder_of_another_user_is_only_read(monkeypatch: pytest.MonkeyPatch) -> None:
    made = study()
    finish(made)

    def refuse(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(snakemake_grid, "write_text", refuse)
    made.settle()
    assert len(results()) == 22
