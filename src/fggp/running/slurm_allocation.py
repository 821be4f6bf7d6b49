"""The Slurm job of a training: its end, and requeueing before the end."""

from __future__ import annotations

import math
import os
import re
import sys
import time

from fggp.foundation.errors import Failure
from fggp.foundation.user_variables import MARGIN, REQUEUE, enabled, value_of
from fggp.running.commands import run
from fggp.running.slurm_time import seconds_of

DEFAULT_MARGIN = 60.0
ANSWER_SECONDS = 60  # time limit of Slurm's commands
KILL_SECONDS = 600  # time that a requeued job waits to be ended


UNSET = "`unset SLURM_JOB_ID SLURM_JOB_END_TIME SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID`"
GONE = "invalid job id"
"""Slurm's message for a job that it no longer knows."""


class Over(Exception):  # noqa: N818 - nothing went wrong
    """The job has ended."""


class Allocation:
    """The time that Slurm has allocated to a training.

    Args:
        job: number of the Slurm job; ``NUMBER_TASK`` for a task of an array.
        seconds: time left; None if the job has no end.
        margin: seconds before the end at which to stop.

    Attributes:
        cut: whether the training was stopped because its time was up.

    """

    def __init__(self, job: str, seconds: float | None, margin: float = DEFAULT_MARGIN) -> None:
        self.job, self.margin = job, margin
        self.end = float("inf") if seconds is None else time.monotonic() + seconds
        self.asked: float | None = None
        self.longest, self.steps = 0.0, 0
        self.cut = False

    @classmethod
    def here(cls) -> Allocation | None:
        """Return the allocation of this process; None outside of Slurm, and after its job's end.

        A shell that outlives its job, as in tmux, keeps the variables of Slurm; that is reported on
        stderr. Slurm is asked once, and only if ``SLURM_JOB_END_TIME`` is not set or has passed.

        Raises:
            Failure: if the margin is not a number, or ``FGGP_REQUEUE`` is neither yes nor no.

        """
        job, margin = job_id(), value_of(MARGIN, str(DEFAULT_MARGIN))
        if job is None:
            return None
        if margin == "none":
            return cls(job, None)
        if not re.fullmatch(r"\d+(\.\d+)?", margin):
            raise Failure(f"{MARGIN}={margin} is not a number of seconds; give a number, or none")
        enabled(REQUEUE)  # a wrong value fails now, and not when the job ends
        try:
            return cls(job, _left(job), float(margin))
        except Over:
            words = f"Slurm job {job} has ended, but its variables are still set in this shell"
            print(
                f"fggp: {words}: training without a deadline; {UNSET} ends this warning",
                file=sys.stderr,
            )
            return None

    @property
    def left(self) -> float:
        """Seconds until the training should stop; infinite if nothing ends it."""
        # A step, or an evaluation with its checkpoint, that was slow once can be slow again.
        return self.end - time.monotonic() - max(self.margin, 2 * self.longest)

    def ends(self) -> bool:
        """Whether it is time to stop; to be called before every step.

        Raises:
            Failure: if the time was too short for a single step.

        """
        now = time.monotonic()
        if self.asked is not None:
            self.steps += 1
            self.longest = max(self.longest, now - self.asked)
        self.asked = now
        if self.left > 0:
            return False
        if self.steps == 0:
            raise Failure(
                f"Slurm job {self.job} has {max(self.end - now, 0):.0f} s left, too few for a step "
                f"in addition to the {self.margin:g} s reserved for a checkpoint; give it a longer "
                f"runtime, or lower {MARGIN}"
            )
        self.cut = True
        return True

    def requeue(self) -> None:
        """Ask Slurm to queue the job again, and wait to be ended; returns if that fails."""
        if not enabled(REQUEUE):
            return
        # Logged first, because Slurm may end the job at once.
        print(f"Slurm job {self.job} ends; asking Slurm to requeue it", flush=True)
        try:
            _answer("scontrol", "requeue", self.job)
        except Failure as refusal:
            print(f"Slurm job {self.job} is not requeued: {refusal}", flush=True)
        else:
            time.sleep(KILL_SECONDS)


def job_id() -> str | None:
    """Return the number of the Slurm job of this process, as Slurm's commands expect it."""
    array, task = (os.environ.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    # The plain number of the last task of an array denotes the whole array.
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID")


def _left(job: str) -> float | None:
    """Return the seconds left to a job; None without a limit, or if Slurm does not report it.

    Raises Over if the job has ended.
    """
    end = _end()
    if end is not None and end > time.time():
        return end - time.time()
    try:
        answer = _answer("squeue", "--noheader", "--jobs", job, "--format", "%L")
        if not answer:  # Slurm remembers a job for minutes after its end
            raise Over
        left = seconds_of(answer)
        if end is not None and left is not None and left <= 0:
            raise Over
    except Failure as problem:
        if end is not None or GONE in str(problem).lower():
            raise Over from None
        print(
            f"squeue does not show when Slurm job {job} ends ({problem}); training until then",
            file=sys.stderr,
        )
        return None
    return left


def _end() -> float | None:
    """Return the end of the job by ``SLURM_JOB_END_TIME``; None if that is not a number."""
    try:
        end = float(os.environ.get("SLURM_JOB_END_TIME", ""))
    except ValueError:
        return None
    return end if math.isfinite(end) else None


def _answer(*command: str) -> str:
    """Return the output of a command of Slurm; raises Failure with its message on one line."""
    ran = run(command, ANSWER_SECONDS)
    if ran.status:
        raise Failure(ran.complaint)
    return ran.out.strip()
