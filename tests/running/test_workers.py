"""The messages of `Workers` about trainings that end in different ways."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fabricate import grid, result_of

from fggp.running.progress.traces import read_log
from fggp.running.signals import STOPPED
from fggp.running.workers import Task, Workers
from fggp.study.cell import Cell
from fggp.study.config import cells
from fggp.study.result_file import write

CELLS = cells(grid())[:3]


class Scripted(Task):
    """A task whose process runs a script instead of a training."""

    def command(self, device: str) -> list[str]:
        return [sys.executable, "-S", "-c", self.after or ""]


def ended(tmp_path: Path, script: str, cell: Cell, seconds: float) -> tuple[list[str], list[str]]:
    out = tmp_path / f"{cell.id}.json"
    task = Scripted(cell, tmp_path / "data", out, after=script)
    what = Workers(1, time.monotonic() + seconds, "cpu").train([task])
    return [each.cell.id for each, _ in what.failed], [each.cell.id for each in what.waiting]


@pytest.mark.parametrize("status", [1, 137])
def test_a_training_that_ends_by_itself_without_a_result_failed(
    tmp_path: Path, status: int
) -> None:
    script = f"raise SystemExit({status})"
    assert ended(tmp_path, script, CELLS[0], 60) == ([CELLS[0].id], [])


def test_a_training_that_stopped_with_a_checkpoint_waits(tmp_path: Path) -> None:
    script = f"raise SystemExit({STOPPED})"
    assert ended(tmp_path, script, CELLS[0], 60) == ([], [CELLS[0].id])


def test_one_asked_to_stop_before_it_could_hear_waits(tmp_path: Path) -> None:
    assert ended(tmp_path, "import time; time.sleep(60)", CELLS[0], 0.5) == ([], [CELLS[0].id])


def test_one_asked_to_stop_after_it_wrote_its_result_is_trained(tmp_path: Path) -> None:
    write(result_of(CELLS[0], 900), tmp_path / f"{CELLS[0].id}.json")
    assert ended(tmp_path, "import time; time.sleep(60)", CELLS[0], 0.5) == ([], [])
    # The result of another cell in that place does not count.
    write(result_of(CELLS[1], 900), tmp_path / f"{CELLS[0].id}.json")
    assert ended(tmp_path, "import time; time.sleep(60)", CELLS[0], 0.5) == ([], [CELLS[0].id])


@pytest.mark.parametrize(("asked", "cut"), [(False, True), (True, False)])
def test_one_that_stops_unasked_stops_all_because_their_allocation_ends(
    tmp_path: Path, asked: bool, cut: bool
) -> None:
    scripts = [f"raise SystemExit({STOPPED})", "import time; time.sleep(60)", "raise SystemExit(1)"]
    tasks = [
        Scripted(cell, tmp_path / "data", tmp_path / f"{cell.id}.json", after=script)
        for cell, script in zip(CELLS, scripts, strict=True)
    ]
    what = Workers(2, time.monotonic() + 60, "cpu", stop=lambda: asked).train(tasks)
    assert what.failed == [], "another one was started"
    assert {task.cell.id for task in what.waiting} == {cell.id for cell in CELLS}
    assert what.cut is cut


def test_a_training_among_others_does_not_requeue_their_job(tmp_path: Path) -> None:
    script = 'import os; raise SystemExit(os.environ["FGGP_REQUEUE"] != "no")'
    task = Scripted(CELLS[0], tmp_path / "data", tmp_path / "seed1.json", after=script)
    assert not Workers(1, time.monotonic() + 60, "cpu").train([task]).failed


def test_an_interruption_of_the_start_of_a_training_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = subprocess.Popen, []

    def interrupted(number: int, frame: object) -> None:
        raise ZeroDivisionError

    def started_with_a_signal(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(start(*arguments, **options))
        signal.raise_signal(signal.SIGUSR1)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", started_with_a_signal)
    task = Scripted(
        CELLS[0], tmp_path / "data", tmp_path / "seed1.json", after="import time; time.sleep(600)"
    )
    before = signal.signal(signal.SIGUSR1, interrupted)
    try:
        with pytest.raises(ZeroDivisionError):
            Workers(1, time.monotonic() + 600, "cpu").train([task])
        assert [process.returncode for process in started] == [-signal.SIGTERM]
    finally:
        signal.signal(signal.SIGUSR1, before)
        for process in started:
            process.kill()


def log_of(tmp_path: Path, script: str, cell: Cell) -> str:
    task = Scripted(cell, tmp_path / "data", tmp_path / f"{cell.id}.json", after=script)
    Workers(1, time.monotonic() + 60, "cpu").train([task])
    return task.log.read_text()


def test_the_log_of_a_training_that_was_killed_says_by_what_when_and_with_how_much_memory(
    tmp_path: Path,
) -> None:
    script = "import os; full = bytearray(300 * 2**20); os.kill(os.getpid(), 9)"
    (line,) = log_of(tmp_path, script, CELLS[0]).splitlines()
    said = re.fullmatch(
        r"fggp: the training was ended by signal 9, Killed; so does a system that runs out of "
        r"memory; after \d+ s and at most ([\d.]+) ([MG])B of memory",
        line,
    )
    assert said, line
    # Linux counts what the process had before it became another, so there is no upper bound.
    assert float(said[1]) * {"M": 1, "G": 1000}[said[2]] > 300
    assert line in read_log(line.encode(), 0).error, "status shows it"


def test_the_log_of_a_training_that_ended_by_itself_or_was_asked_to_is_left_alone(
    tmp_path: Path,
) -> None:
    assert log_of(tmp_path, "print('why'); raise SystemExit(1)", CELLS[1]) == "why\n"
    assert log_of(tmp_path, "", CELLS[2]) == ""
    task = Scripted(CELLS[0], tmp_path, tmp_path / "asked.json", after="import time; time.sleep(9)")
    Workers(1, time.monotonic() + 0.5, "cpu").train([task])
    assert task.log.read_text() == ""
