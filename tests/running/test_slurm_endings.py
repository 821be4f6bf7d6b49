"""The cause of a killed training: from Slurm's accounting, its controller, or the job's log."""

import os
from pathlib import Path

import pytest
import slurm_answers as said

from fggp.running.progress.slurm_endings import Ending, endings

# As the manual of sacct describes --parsable2: a line for the job, and one for each of its steps.
ACCOUNTED = """2|OUT_OF_MEMORY|0:125|01:02:03|
2.batch|OUT_OF_MEMORY|0:125|01:02:03|15998000K
2.extern|COMPLETED|0:0|01:02:03|
2.0|FAILED|137:0|01:02:01|3.5M
7_4|TIMEOUT|0:0|1-00:00:09|
7_4.batch|CANCELLED|0:15|1-00:00:11|2G
8|CANCELLED by 1000|0:0|00:00:05|
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The top of a checkout on a machine without any command of Slurm."""
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def answers(name: str, out: str, status: int = 0) -> None:
    """Let a command print a text; it notes how it was called."""
    (Path("bin") / f"{name}.out").write_text(out)
    path = Path("bin") / name
    path.write_text(f'#!/bin/sh\necho "$*" >> $0.called\n/bin/cat $0.out\nexit {status}\n')
    path.chmod(0o755)


def test_the_accounting_knows_state_status_time_and_the_most_memory_of_any_step() -> None:
    answers("sacct", ACCOUNTED)
    found = endings(["2", "7_4", "8", "2"])
    assert found["2"].text == (
        "Slurm job 2: OUT_OF_MEMORY, exit status 0, signal 125, after 01:02:03, at most 16.4 GB of "
        "memory"
    )
    assert found["7_4"].text == (
        "Slurm job 7_4: TIMEOUT, exit status 0, after 1-00:00:09, at most 2.1 GB of memory"
    )
    assert found["8"] == Ending(
        "CANCELLED", "Slurm job 8: CANCELLED, exit status 0, after 00:00:05"
    )
    assert all(it.over and not it.waits for it in found.values())
    (call,) = Path("bin/sacct.called").read_text().splitlines()
    assert call.endswith("--jobs=2,7_4,8"), "all jobs are asked of at once"


def test_without_accounting_the_controller_knows_all_but_the_memory() -> None:
    answers("sacct", "", 1)
    answers("scontrol", said.JOB_KILLED)
    assert endings(["1"])["1"].text == (
        "Slurm job 1: FAILED, exit status 0, signal 9, after 00:00:00"
    )
    answers("scontrol", said.JOB_CANCELLED)
    assert endings(["2"])["2"].over


def test_a_job_that_is_queued_again_waits_and_one_that_runs_is_not_over() -> None:
    answers("scontrol", said.JOB_PENDING)
    waiting = endings(["2"])["2"]
    assert (waiting.waits, waiting.over) == (True, False)
    assert "exit status" not in waiting.text
    answers("scontrol", said.JOB_RUNNING)
    running = endings(["2"])["2"]
    assert (running.waits, running.over) == (False, False)
    assert running.text == "Slurm job 2: RUNNING, after 00:00:03"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (said.CANCELLED, "JOB 2 ON node1 CANCELLED AT 2026-11-28T19:49:30"),
        (
            "slurmstepd: error: Detected 1 oom_kill event in StepId=2.batch. Some of the step "
            "tasks have been OOM Killed.\n",
            "Detected 1 oom_kill event in StepId=2.batch.",
        ),
        (
            "slurmstepd: error: *** JOB 2 ON n CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT "
            "***\n",
            "DUE TO TIME LIMIT",
        ),
    ],
)
def test_where_slurm_has_forgotten_the_job_its_log_tells(line: str, told: str) -> None:
    answers("scontrol", said.NO_JOB, 1)
    log = Path("logs/slurm/rule_train/vgg19_s90/2.log")
    log.parent.mkdir(parents=True)
    log.write_text(f"Building DAG of jobs...\n{line}nothing of interest\n")
    found = endings(["2"])["2"]
    assert found.text.startswith("Slurm job 2: ")
    assert told in found.text
    assert found.over
    log.write_text("Building DAG of jobs...\n")
    assert endings(["2"]) == {}


def test_nothing_is_asked_without_a_job_and_nothing_known_is_left_out() -> None:
    answers("sacct", "what is this|\n\n")
    assert endings([]) == {}
    assert not os.path.exists("bin/sacct.called")
    assert endings(["5"]) == {}
