"""When a training in a Slurm job stops by itself; tests/cluster does it in a real one."""

import math
import time
from pathlib import Path

import pytest

from fggp.foundation.errors import Failure
from fggp.foundation.user_variables import MARGIN, REQUEUE
from fggp.running.slurm_allocation import DEFAULT_MARGIN, Allocation, job_id


@pytest.fixture(autouse=True)
def slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of a job, and a folder that holds all programs there are."""
    for name in (
        "SLURM_ARRAY_JOB_ID",
        "SLURM_ARRAY_TASK_ID",
        "SLURM_JOB_END_TIME",
        MARGIN,
        REQUEUE,
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_outside_of_slurm_there_is_no_allocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID")
    assert Allocation.here() is None


def test_the_margin_can_be_changed_and_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 1000))
    here = Allocation.here()
    assert here is not None
    assert 930 < here.left <= 940
    monkeypatch.setenv(MARGIN, "300")
    here = Allocation.here()
    assert here is not None
    assert 690 < here.left <= 700
    monkeypatch.setenv(MARGIN, "none")
    here = Allocation.here()
    assert here is not None
    assert math.isinf(here.left)
    assert not here.ends()
    monkeypatch.setenv(MARGIN, "soon")
    with pytest.raises(
        Failure, match="FGGP_MARGIN=soon is not a number of seconds; give a number, or none"
    ):
        Allocation.here()


def test_an_empty_margin_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 1000))
    monkeypatch.setenv(MARGIN, "")
    here = Allocation.here()
    assert here is not None
    assert here.margin == DEFAULT_MARGIN


def test_a_wrong_word_about_requeueing_fails_before_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(REQUEUE, "never")
    with pytest.raises(Failure, match="FGGP_REQUEUE=never is neither yes nor no"):
        Allocation.here()


def test_squeue_is_asked_where_slurm_does_not_say_the_end(slurm: Path) -> None:
    program(slurm / "squeue", f'echo "$*" >> {slurm}/asked; echo 1-00:00:00')
    here = Allocation.here()
    assert here is not None
    assert 86_330 < here.left <= 86_340
    assert (slurm / "asked").read_text() == "--noheader --jobs 42 --format %L\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("echo INVALID", "ends ('INVALID' is not a time);"),
        ("echo no such job >&2; exit 1", "ends (no such job);"),
        ("exit 3", "ends (exit status 3);"),
    ],
)
def test_a_slurm_that_does_not_answer_is_named_and_the_training_goes_on(
    slurm: Path, capfd: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    program(slurm / "squeue", text)
    here = Allocation.here()
    assert here is not None
    assert not here.ends()
    assert here.left == float("inf")
    said = capfd.readouterr().err
    assert complaint in said
    assert said.count("\n") == 1


def test_a_task_of_an_array_is_named_by_the_array_and_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "40")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert job_id() == "40_3"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of an allocation, in seconds, as the only item."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_training_stops_at_the_margin_and_not_before(clock: list[float]) -> None:
    allocation = Allocation("42", 61.0, margin=60)
    assert not allocation.ends()
    clock[0] += 0.99
    assert not allocation.ends()
    assert not allocation.cut
    clock[0] += 0.01
    assert allocation.ends()
    assert allocation.cut


def test_twice_the_longest_step_is_kept_where_that_is_more_than_the_margin(
    clock: list[float],
) -> None:
    allocation = Allocation("42", 60.0, margin=0)
    assert not allocation.ends()
    clock[0] += 0.5
    assert not allocation.ends()
    assert allocation.left == 58.5
    clock[0] += 0.1
    assert not allocation.ends()
    assert allocation.left == pytest.approx(58.4), "a short step after the long one"


def test_an_allocation_without_time_for_a_step_is_a_failure_and_not_another_try() -> None:
    allocation = Allocation("42", 30.0, margin=60)
    with pytest.raises(Failure) as caught:
        allocation.ends()
    assert str(caught.value) == (
        "Slurm job 42 has 30 s left, too few for a step in addition to the 60 s reserved for a "
        "checkpoint; give it a longer runtime, or lower FGGP_MARGIN"
    )
    assert not allocation.cut


def test_a_refusal_to_requeue_is_said_in_one_line(
    slurm: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program(slurm / "scontrol", "echo 'Requested operation is' >&2; echo disabled >&2; exit 1")
    Allocation("42", 30.0).requeue()
    refusal = "Slurm job 42 is not requeued: Requested operation is disabled"
    assert capfd.readouterr().out.splitlines()[1:] == [refusal]


def test_a_requeued_job_waits_to_be_ended(
    slurm: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program(slurm / "scontrol", f'echo "$*" > {slurm}/asked')
    monkeypatch.setattr("fggp.running.slurm_allocation.KILL_SECONDS", 0.3)
    began = time.monotonic()
    Allocation("40_3", 30.0).requeue()
    assert time.monotonic() - began >= 0.3
    assert (slurm / "asked").read_text() == "requeue 40_3\n"
    assert capfd.readouterr().out == "Slurm job 40_3 ends; asking Slurm to requeue it\n"


@pytest.mark.parametrize("word", ["no", "0", "False"])
def test_a_training_that_shares_its_job_requeues_nothing(
    word: str, slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(slurm / "scontrol", f"touch {slurm}/asked")
    monkeypatch.setattr("fggp.running.slurm_allocation.KILL_SECONDS", 0)
    monkeypatch.setenv(REQUEUE, word)
    Allocation("42", 30.0).requeue()
    assert not (slurm / "asked").exists()


LEFT_OVER = {
    "no Slurm here": None,
    "unknown to Slurm": "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
    "remembered by Slurm": "exit 0",
    "without a minute left": "echo 0:00",
    "overdue": "echo INVALID",
}


@pytest.mark.parametrize("text", LEFT_OVER.values(), ids=list(LEFT_OVER))
def test_the_variables_of_a_job_that_is_over_end_no_training(
    slurm: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    text: str | None,
) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) - 3600))
    if text is not None:
        program(slurm / "squeue", text)
    assert Allocation.here() is None
    said = capfd.readouterr().err
    assert said.startswith(
        "fggp: Slurm job 42 has ended, but its variables are still set in this shell"
    )
    assert "`unset SLURM_JOB_ID " in said
    assert said.count("\n") == 1


def test_a_job_that_slurm_knows_no_more_is_over_whatever_its_variables_say(
    slurm: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program(slurm / "squeue", LEFT_OVER["unknown to Slurm"] or "")
    assert Allocation.here() is None
    assert "Slurm job 42 has ended" in capfd.readouterr().err


def test_a_job_that_was_given_more_time_is_not_over(
    slurm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) - 3600))
    program(slurm / "squeue", "echo 10:00")
    here = Allocation.here()
    assert here is not None
    assert 530 < here.left <= 540


@pytest.mark.parametrize("end", ["Unknown", "", "nan", "inf", "soon"])
def test_an_end_that_is_no_number_is_asked_for(
    slurm: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", end)
    program(slurm / "squeue", "echo 10:00")
    here = Allocation.here()
    assert here is not None
    assert 530 < here.left <= 540
