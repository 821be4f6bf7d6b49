"""The state of every cell, from the files that a training leaves and nothing else."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slurm_answers as said
import yaml
from checkout import TIMEOUT
from fabricate import GRID, likely, measured, result_of

from fggp.cli import main
from fggp.cli.epoch_line import line
from fggp.running.progress.traces import read_log
from fggp.study.cell import Cell
from fggp.study.config import cells, load
from fggp.study.result_file import kept, write
from fggp.study.study_folder import run_path, write_expected
from fggp.training.step import Sizes

HOME = Path("results/small")
NAME = "vgg19/s90/i50/fggp/seed1"
LINE = (
    "epoch {:>4}/4  lr 0.1      loss   0.7036  validation  34.01 % (50 of 147)  "
    "test  83.33 % (300 of 360)  kept  10.00 % (313624 of 3136240)\n"
)
EARLIER = (
    "epoch {:>4}/4  lr 0.1      loss   0.7036  correct: validation     50, test    300  "
    "kept      313,624\n"
)
STOP = f"{NAME}: stopped with a checkpoint; the same command continues it\n"
TRACEBACK = (
    "Traceback (most recent call last):\n"
    '  File "x.py", line 1, in <module>\n'
    "torch.OutOfMemoryError: CUDA out of memory.\n"
)
Look = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study of 22 cells of which nothing was trained."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/small.yaml").write_text(yaml.safe_dump(GRID, sort_keys=False))
    Path("data").mkdir()
    arrays = {
        f"{part}_images": np.zeros((n, 3, 16, 16), np.uint8)
        for part, n in (("train", 1197), ("test", 600))
    }
    np.savez("data/digits.npz", **arrays)
    return tmp_path


@pytest.fixture
def look(capsys: pytest.CaptureFixture[str]) -> Look:
    """Ask for the status as JSON; the one cell of interest and the exit status are in it."""

    def asked(*arguments: str) -> dict[str, Any]:
        capsys.readouterr()
        status = main(["status", *(arguments or ("small",)), "--json"])
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        [cell] = [it for it in found["cells"] if it["name"] == NAME]
        return found | {"cell": cell, "status": status}

    return asked


def beside(kind: str) -> Path:
    path = HOME / "runs" / f"{NAME}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.with_name(f".seed1.{kind}")


def log(text: str | bytes) -> Path:
    path = HOME / "logs" / f"{NAME}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def owned(pid: int | str, host: str = platform.node()) -> Path:
    path = beside("owner")
    path.write_text(f"process {pid} on {host}\n")
    return path


def age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def finish(wanted: Callable[[Cell], bool] = lambda cell: True) -> None:
    for cell in cells(load(Path("config/small.yaml"))):
        if wanted(cell):
            write(result_of(cell, likely(cell)), run_path(HOME, cell))


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(timeout=TIMEOUT)
    return process.pid


# ---------------------------------------------------------------------------------- the states


def test_a_study_never_started_waits(look: Look) -> None:
    found = look()
    assert found["counts"] == dict.fromkeys(("done", "running", "stalled", "failed"), 0) | {
        "waiting": 22
    }
    assert found["status"] == 75
    assert found["seconds"]["used"] == found["seconds"]["begun"] == 0
    assert found["seconds"]["left"] > 0
    assert found["end"] is None
    assert not HOME.exists(), "looking writes nothing"


def test_a_finished_study_is_done(look: Look) -> None:
    finish()
    found = look()
    assert found["counts"]["done"] == 22
    assert found["status"] == 0
    assert found["seconds"] == {"used": 22 * 60.5, "begun": 0, "left": 0}


def test_a_cell_of_which_only_the_copy_is_left_is_done(look: Look) -> None:
    finish()
    path = HOME / "runs" / f"{NAME}.json"
    path.unlink()
    assert kept(path).exists()
    assert look()["cell"]["state"] == "done"


def test_a_result_of_other_settings_is_not_done(look: Look) -> None:
    finish()
    changed = GRID | {"methods": GRID["methods"] | {"fggp": {"rho": "1/4"}}}
    Path("config/small.yaml").write_text(yaml.safe_dump(changed, sort_keys=False))
    found = look()
    assert found["counts"] == found["counts"] | {"done": 14, "waiting": 8}
    assert found["cell"]["state"] == "waiting"


def test_a_process_of_this_machine_that_lives_runs(look: Look) -> None:
    owned(os.getpid())
    beside("ckpt").touch()
    log("".join(map(LINE.format, (1, 2))))
    cell = look()["cell"]
    assert cell["state"] == "running"
    assert (cell["epoch"], cell["epochs"]) == (2, 4)
    assert (cell["validation"], cell["test"]) == (0.5, 0.5)
    assert cell["log"] == str(HOME / "logs" / f"{NAME}.log")
    assert f"process {os.getpid()}" in cell["note"]
    assert look()["status"] == 75
    assert look()["end"] is not None


def test_a_process_of_this_machine_that_is_gone_has_stalled(look: Look) -> None:
    owned(ended_process())
    found = look()
    assert found["cell"]["state"] == "stalled"
    assert "ended without a result; a rerun starts from the beginning" in found["cell"]["note"]
    assert found["status"] == 1
    beside("ckpt").touch()
    log(LINE.format(2))
    assert look()["cell"]["note"].endswith("a rerun continues at epoch 3")
    age(beside("ckpt"), 60)
    assert look()["cell"]["note"].endswith("a rerun continues at epoch 3 or earlier")


def test_a_process_that_only_has_the_number_of_the_one_that_ended_does_not_count(
    look: Look,
) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("only Linux says when a process began")
    log("")
    age(owned(os.getpid()), 86_400)
    assert look()["cell"]["state"] == "stalled"
    assert "ended without a result" in look()["cell"]["note"]


def test_a_process_that_ended_and_was_not_yet_waited_for_is_gone(look: Look) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("only Linux tells")
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    owned(process.pid)
    deadline = time.monotonic() + TIMEOUT
    while " Z " not in Path(f"/proc/{process.pid}/stat").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    state = look()["cell"]["state"]
    process.wait(timeout=TIMEOUT)
    assert state == "stalled"


def test_a_process_of_another_machine_runs_while_its_files_change(look: Look) -> None:
    owner = owned(7, "elsewhere")
    assert look()["cell"]["state"] == "running"
    age(owner, 3600)
    assert look()["cell"]["state"] == "stalled"
    assert "process 7 on elsewhere wrote nothing for 60 minutes" in look()["cell"]["note"]
    changed = log(LINE.format(1))
    assert look()["cell"]["state"] == "running"
    age(changed, 3600)
    assert look()["cell"]["state"] == "stalled"
    beside("ckpt").touch()
    assert look()["cell"]["state"] == "running"
    assert look()["status"] == 75


def test_a_process_that_lives_and_writes_nothing_has_stalled(look: Look) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        age(owned(process.pid), 0)
        age(log(""), 0)
        assert look()["cell"]["state"] == "running"
        age(owned(process.pid), 1200)
        age(log(""), 1200)
        state = look()["cell"]
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT)
    assert state["state"] == "stalled"


def test_what_is_silent_for_less_than_five_of_its_usual_epochs_still_runs(look: Look) -> None:
    def slow(cell: Cell) -> None:
        result = result_of(cell, 900)
        result["provenance"]["seconds"] = 4 * 1000
        write(result, run_path(HOME, cell))

    for cell in cells(load(Path("config/small.yaml"))):
        if cell.label == "dense":
            slow(cell)
    owner = owned(7, "elsewhere")
    age(owner, 4900)
    assert look()["cell"]["state"] == "running"
    age(owner, 5100)
    assert look()["cell"]["state"] == "stalled"


def test_a_cell_that_stopped_with_a_checkpoint_waits(look: Look) -> None:
    beside("ckpt").touch()
    log(LINE.format(3) + STOP)
    cell = look()["cell"]
    assert (cell["state"], cell["epoch"]) == ("waiting", 3)
    assert cell["note"] == "a rerun continues at epoch 4"
    found = look()
    assert found["seconds"]["begun"] == pytest.approx(cell["seconds"])
    assert cell["left"] == pytest.approx(5 + cell["seconds"] / 3)  # three of four epochs, a start


def test_without_a_checkpoint_no_epoch_of_the_log_counts(look: Look) -> None:
    log(LINE.format(3) + f"results/small/runs/{NAME}.json\n")
    cell = look()["cell"]
    assert (cell["state"], cell["epoch"], cell["validation"]) == ("waiting", 0, None)


@pytest.mark.parametrize("before", ["", LINE.format(1), LINE.format(1) + STOP])
@pytest.mark.parametrize(
    ("text", "note"),
    [
        (TRACEBACK, "torch.OutOfMemoryError: CUDA out of memory."),
        ("fggp: data/digits.npz does not exist\n\n", "fggp: data/digits.npz does not exist"),
        ("/usr/bin/python: No module named fggp\n", "No module named fggp"),
        ("bash: line 1: python: command not found\n", "command not found"),
    ],
)
def test_a_cell_whose_log_ends_with_an_error_failed(
    look: Look, before: str, text: str, note: str
) -> None:
    log(before + text)
    found = look()
    assert found["cell"]["state"] == "failed"
    assert note in found["cell"]["note"]
    assert found["status"] == 1


@pytest.mark.parametrize(
    "after",
    [
        LINE.format(2),
        STOP,
        f"results/small/runs/{NAME}.json\n",
        f"results/small/runs/{NAME}.json was there already\n",
        "fggp: interrupted; the same command continues\n",
        STOP + "Slurm job 3 ends, and is not requeued (an error)\n",
    ],
)
def test_an_error_of_an_earlier_attempt_is_over(look: Look, after: str) -> None:
    log(TRACEBACK + after)
    assert look()["cell"]["state"] == "waiting"


def test_being_refused_for_another_process_is_no_failure(look: Look) -> None:
    log(f"fggp: {NAME}: process 3 on x is training this cell; wait for it, or stop it\n")
    assert look()["cell"]["state"] == "waiting"
    owned(os.getpid())
    assert look()["cell"]["state"] == "running"


def test_training_that_went_on_elsewhere_after_an_error_is_no_failure(look: Look) -> None:
    age(log(TRACEBACK), 100)
    beside("ckpt").touch()
    assert look()["cell"]["state"] == "waiting"
    age(beside("ckpt"), 200)
    assert look()["cell"]["state"] == "failed"


def test_a_dead_process_with_an_error_failed_and_a_living_one_tries_again(look: Look) -> None:
    log(TRACEBACK)
    owned(ended_process())
    assert look()["cell"]["state"] == "failed"
    owned(os.getpid())
    assert look()["cell"]["state"] == "running"


# ------------------------------------------------------------------------------ damaged files


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"process on\n", b"process 99999999999999999999 on here\n"]
)
def test_a_damaged_owner_file_is_no_traceback(look: Look, content: bytes) -> None:
    beside("owner").write_bytes(content)
    assert look()["cell"]["state"] == "running"
    age(beside("owner"), 3600)
    assert look()["cell"]["state"] == "stalled"


def test_a_number_beyond_all_processes_is_not_alive(look: Look) -> None:
    owned("9" * 30)
    assert look()["cell"]["state"] == "stalled"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x00" * 40_000,
        b"epoch",
        b"epoch  x/y\n",
        b"epoch  3/4",
        b"epoch    99/4  lr 0.1 loss 1  correct: validation 9, test 9\n",
        b"\xff" * 99,
    ],
)
@pytest.mark.parametrize("kind", ["ckpt", "owner"])
def test_a_damaged_log_is_no_traceback(look: Look, content: bytes, kind: str) -> None:
    log(content)
    beside(kind).write_text(f"process {os.getpid()} on {platform.node()}\n")
    cell = look()["cell"]
    assert cell["state"] == ("running" if kind == "owner" else "waiting")
    assert 0 <= cell["epoch"] <= cell["epochs"]


def test_folders_where_files_should_be_are_no_traceback(look: Look) -> None:
    for path in (beside("owner"), beside("ckpt"), log("")):
        path.unlink(missing_ok=True)
        path.mkdir()
    (HOME / "runs" / f"{NAME}.json").mkdir()
    assert look()["cell"]["state"] == "running"


def test_a_long_log_is_read_from_its_end() -> None:
    text = "".join(LINE.format(k) for k in range(1, 2000)).encode()
    found = read_log(text[-16_384:], 5.0)
    assert (found.epoch, found.epochs, found.correct, found.error) == (1999, 4, (50, 300), "")


@pytest.mark.parametrize("loss", [0.7036, None])
@pytest.mark.parametrize("validation", [147, 0])
def test_the_line_of_an_epoch_is_read_as_it_is_written(loss: float | None, validation: int) -> None:
    row = {"epoch": 3, "lr": 0.1, "train_loss": loss, "test_correct": 300, "kept": 313_624}
    row["validation_correct"] = 50 if validation else 0
    text = line(row, 4, Sizes(validation, 360, 3_136_240))
    found = read_log(f"{text}\n".encode(), 5.0)
    assert found.correct == (row["validation_correct"], 300)
    assert ("validation  34.01 % (50 of 147)" in text) == bool(validation)
    if loss is not None and validation:
        assert f"{text}\n" == LINE.format(3)


def test_the_lines_of_earlier_versions_are_read() -> None:
    found = read_log(EARLIER.format(3).encode(), 5.0)
    assert (found.epoch, found.epochs, found.correct) == (3, 4, (50, 300))


# -------------------------------------------------------------------------- names and options


def test_a_results_folder_elsewhere_is_known_by_its_own_list(look: Look, tmp_path: Path) -> None:
    finish()
    write_expected(load(Path("config/small.yaml")), HOME / "cells.json")
    elsewhere = tmp_path / "kept" / "small"
    elsewhere.parent.mkdir()
    HOME.rename(elsewhere)
    assert look(str(elsewhere))["counts"]["done"] == 22
    assert look()["counts"]["waiting"] == 22
    assert look("config/small.yaml")["counts"]["waiting"] == 22


@pytest.mark.parametrize("key", ["data", "training"])
def test_a_list_with_a_damaged_configuration_is_refused_in_one_line(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_expected(load(Path("config/small.yaml")), tmp_path / "kept/cells.json")
    content = json.loads((tmp_path / "kept/cells.json").read_text())
    for broken in (None, {}, {"epochs": -1, "kind": 3}):
        content["configuration"][key] = broken
        (tmp_path / "kept/cells.json").write_text(json.dumps(content))
        if key == "training" and broken == {}:
            continue  # every key has a default
        for verb in ("status", "latency"):
            capsys.readouterr()
            assert main([verb, str(tmp_path / "kept")]) == 1
            assert "kept/cells.json: not the list of a study's cells" in capsys.readouterr().err


def test_an_unknown_study_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "smalls"]) == 1
    complaint = capsys.readouterr().err
    assert complaint == "fggp: config/smalls.yaml: no such study; did you mean 'small'?\n"


def test_what_is_left_follows_the_cells_that_are_finished(look: Look) -> None:
    finish(lambda cell: cell.seed == 1 and cell.id != NAME)
    found = look()
    start = 5.0  # seconds until the first step on a CPU
    assert found["seconds"]["used"] == pytest.approx(10 * 60.5)
    assert found["seconds"]["left"] == pytest.approx(12 * (60.5 + start))
    assert found["device"] == "cpu"


def test_the_pace_is_that_of_completed_cells_on_such_a_device(look: Look) -> None:
    for cell in cells(load(Path("config/small.yaml"))):
        if cell.seed == 1 and cell.id != NAME:
            result = result_of(cell, 900)
            if cell.label == "gmp":
                result["outcome"]["verdict"] = "diverged"
                result["provenance"]["seconds"] = 1.0
            if cell.label == "fggp":
                result["provenance"] |= {"device": "cuda", "device_name": "NVIDIA H200"}
                result["provenance"]["seconds"] = 8.0
            write(result, run_path(HOME, cell))
    assert look("small", "--device", "cpu")["cell"]["left"] == pytest.approx(5 + 60.5)
    assert look("small", "--device", "h200")["cell"]["left"] == pytest.approx(15 + 8)


def held_by(job: str, host: str = "node7") -> None:
    """The process of a job of Slurm on another node held the cell, and is long silent."""
    path = beside("owner")
    path.write_text(f"process 41 on {host} (Slurm job {job})\n")
    age(path, 100_000)


def slurm_says(place: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    folder = place / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{text}END\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_a_training_that_slurm_killed_failed_with_state_status_time_and_memory(
    look: Look, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by("2")
    rows = "2|OUT_OF_MEMORY|0:125|01:02:03|\n2.batch|OUT_OF_MEMORY|0:125|01:02:03|15998000K\n"
    slurm_says(place, monkeypatch, "sacct", rows)
    found = look()
    assert found["cell"]["state"] == "failed"
    assert found["status"] == 1
    assert found["cell"]["note"].startswith(
        "Slurm job 2: OUT_OF_MEMORY, exit status 0, signal 125, after 01:02:03, at most 16.4 GB of "
        "memory; process 41 on node7 wrote nothing for "
    )


def test_a_training_whose_job_slurm_queued_again_waits(
    look: Look, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by("2")
    slurm_says(place, monkeypatch, "scontrol", said.JOB_PENDING)
    assert look()["cell"]["state"] == "waiting"
    assert look()["status"] == 75


def test_a_silent_training_whose_job_runs_or_is_unknown_has_stalled(
    look: Look, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by("2")
    slurm_says(place, monkeypatch, "sacct", "")
    assert look()["cell"]["state"] == "stalled"
    assert "Slurm" not in look()["cell"]["note"]
    slurm_says(place, monkeypatch, "scontrol", said.JOB_RUNNING)
    assert look()["cell"]["state"] == "stalled"
    assert look()["cell"]["note"].startswith("Slurm job 2: RUNNING, after 00:00:03; process 41")


def test_slurm_is_not_asked_of_trainings_that_go_on(
    look: Look, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_by("2")
    age(beside("owner"), 0)
    slurm_says(place, monkeypatch, "sacct", "2|FAILED|1:0|00:00:01|\n")
    assert look()["cell"]["state"] == "running"


def test_a_cell_that_was_trained_on_several_types_of_devices_is_named(
    look: Look, capsys: pytest.CaptureFixture[str]
) -> None:
    finish()
    assert main(["status", "small"]) == 0
    assert "types of devices" not in capsys.readouterr().out
    for cell in cells(load(Path("config/small.yaml"))):
        if cell.id == NAME:
            result = result_of(cell, likely(cell))
            names = ["NVIDIA A100", "NVIDIA H100"]
            result["provenance"] |= {"device_name": names[-1], "device_names": names}
            write(result, run_path(HOME, cell))
    assert look()["cell"]["moved"] == "NVIDIA A100, then NVIDIA H100"
    assert main(["status", "small"]) == 0
    (line,) = [it for it in capsys.readouterr().out.splitlines() if it.startswith("warning: ")]
    assert f"bits differ: 1 ({NAME}: NVIDIA A100, then NVIDIA H100)" in line


def test_the_page_names_what_needs_a_look(capsys: pytest.CaptureFixture[str]) -> None:
    finish(lambda cell: cell.label in {"gmp", "dense"})
    log(TRACEBACK)
    assert main(["status", "small"]) == 1
    text = capsys.readouterr().out
    assert "10 of 22 cells" in text
    assert "done 10, running 0, waiting 11, stalled 0, failed 1" in text
    assert f"  {NAME}  epoch 0/4;" in text
    assert f"    results/small/logs/{NAME}.log" in text
    assert "no cell is running" in text
    assert "core hours used" in text
    assert "(estimate)" in text
    assert "the median of 10 finished cells of this study" in text
    assert "\x1b" not in text


def test_running_cells_stand_with_the_one_that_has_most_left_first(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, epoch in ((NAME, 3), (NAME.replace("fggp", "gmp"), 1)):
        folder = (HOME / "runs" / name).parent
        folder.mkdir(parents=True)
        (folder / ".seed1.owner").write_text(f"process {os.getpid()} on {platform.node()}\n")
        (folder / ".seed1.ckpt").touch()
        path = HOME / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True)
        path.write_text(LINE.format(epoch))
    assert main(["status", "small", "--top", "1"]) == 75
    text = capsys.readouterr().out
    assert "running (most time left first):\n  vgg19/s90/i50/gmp/seed1  epoch 1/4" in text
    assert "validation 50.00 %, test 50.00 %" in text
    assert "  and 1 more; --top 2 shows all" in text
    assert "with 2 cells running" in text


def test_other_endings_than_a_completed_training_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for cell in cells(load(Path("config/small.yaml"))):
        result = result_of(cell, 900)
        result["outcome"]["verdict"] = "diverged" if cell.label == "gmp" else "completed"
        write(result, run_path(HOME, cell))
    assert main(["status", "small"]) == 0
    assert "done 22 (of these 8 diverged)" in capsys.readouterr().out


def test_power_may_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    finish()
    main(["status", "small", "--watts", "100"])
    hours = 22 * 60.5 / 3600
    assert f"{hours / 10:.2g} kWh at 100 W per core (--watts)" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["status", "small", "--watts", "-1"])


def measure(wanted: Callable[[Cell], bool] = lambda cell: True) -> None:
    for cell in cells(load(Path("config/small.yaml"))):
        if wanted(cell):
            result = result_of(cell, likely(cell))
            measured(cell, result)
            write(result, run_path(HOME, cell))


def test_what_results_measured_is_added_up(look: Look, capsys: pytest.CaptureFixture[str]) -> None:
    finish()
    assert look()["measured"] == {"joules": 0, "cells": 0}
    assert look()["images_per_second"] is None
    main(["status", "small"])
    text = capsys.readouterr().out
    assert "measured" not in text
    assert "images/s" not in text
    measure(lambda cell: cell.label == "fggp")
    assert look()["measured"] == {"joules": 8 * 40 * 60.5, "cells": 8}
    assert look()["images_per_second"] == 301.5
    assert look()["cell"]["joules"] == 40 * 60.5
    main(["status", "small"])
    text = capsys.readouterr().out
    kwh = 8 * 40 * 60.5 / 3.6e6
    assert f"energy measured: {kwh:.2g} kWh in 8 of 22 finished cells" in text
    assert "the median of 8 of 22 finished cells" in text


def test_an_estimate_takes_the_power_that_was_measured(
    capsys: pytest.CaptureFixture[str],
) -> None:
    measure(lambda cell: cell.seed == 1)
    main(["status", "small"])
    assert "at 40 W per core (measured in 11 finished cells of" in capsys.readouterr().out
    main(["status", "small", "--watts", "100"])
    assert "at 100 W per core (--watts)" in capsys.readouterr().out
    main(["status", "small", "--device", "a100"])
    assert "at 400 W per GPU (the board's limit" in capsys.readouterr().out


def test_watching_a_finished_study_ends_with_the_last_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish()
    assert main(["status", "small", "--watch", "0.01"]) == 0
    assert capsys.readouterr().out.count("22 of 22 cells") == 1
