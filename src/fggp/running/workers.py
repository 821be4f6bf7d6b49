"""Several trainings at once, each in its own process, until the time is up."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from fggp.foundation.quantities import duration, size
from fggp.foundation.user_variables import REQUEUE
from fggp.running.signals import STOPPED, uninterrupted
from fggp.study.cell import Cell
from fggp.study.stored_results import finished
from fggp.study.study_folder import log_path

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Task:
    """A cell to train.

    Attributes:
        cell: cell to train.
        data: data file of the cell.
        out: result file of the cell.
        after: name of a cell that has to be trained before.

    """

    cell: Cell
    data: Path
    out: Path
    after: str | None = None

    @property
    def log(self) -> Path:
        """The path of the log."""
        return log_path(self.out)

    def command(self, device: str) -> list[str]:
        """Return the command line, the same as that of the Snakemake rule."""
        return [
            *(sys.executable, "-m", "fggp", "train", "--device", device),
            *("--cell", self.cell.canonical(), "--data", str(self.data), "--out", str(self.out)),
        ]


@dataclass
class Ended:
    """The outcome of tasks.

    Attributes:
        failed: tasks that failed, with the reason.
        waiting: tasks that stopped or were not started, and remain for another run.
        cut: whether one stopped by itself, before the end of the allocation.

    """

    failed: list[tuple[Task, str]] = field(default_factory=list)
    waiting: list[Task] = field(default_factory=list)
    cut: bool = False

    @property
    def status(self) -> int:
        """The exit status: 1 after failures, `STOPPED` if some wait, else 0."""
        return 1 if self.failed else STOPPED if self.waiting else 0


class Workers:
    """Trains tasks in order, each in its own process.

    Args:
        jobs: number of trainings at once.
        deadline: time by ``time.monotonic`` at which trainings are asked to stop; none is started
            after it.
        device: device, passed on to each training.
        stop: polled; returns whether to stop before the deadline.
        cores: the cores that the process of each job is restricted to; empty for all.
        environment: variables added to those of each process.
        trained: called with a trained task; returns the text to print after its name.

    """

    def __init__(
        self,
        jobs: int,
        deadline: float,
        device: str,
        *,
        stop: Callable[[], bool] = lambda: False,
        cores: Sequence[Set[int]] = (),
        environment: Mapping[str, str] | None = None,
        trained: Callable[[Task], str] = lambda task: "",
    ) -> None:
        self.jobs, self.deadline, self.device, self.stop = jobs, deadline, device, stop
        self.cores, self.trained = list(cores), trained
        # Threads that wait actively would take the cores of other trainings; and one training must
        # not requeue the job of all.
        own = {"OMP_WAIT_POLICY": "passive", REQUEUE: "no"}
        self.environment = os.environ | own | dict(environment or {})
        self.running: dict[subprocess.Popen[bytes], Task] = {}
        self.held: dict[subprocess.Popen[bytes], Set[int]] = {}
        self.began: dict[subprocess.Popen[bytes], float] = {}
        self.asked = False

    def train(self, tasks: Sequence[Task]) -> Ended:
        """Train the tasks; a failure does not affect the others."""
        queue, ended = list(tasks), Ended()
        quiet = not sys.stderr.isatty()
        with tqdm(total=len(tasks), unit=" cells", disable=quiet) as bar:
            try:
                while self.running or (queue and not self.over):
                    while len(self.running) < self.jobs and not self.over:
                        if (ready := self._ready(queue)) is None:
                            break
                        queue.remove(ready)
                        self._start(ready)
                    if self.over and not self.asked:
                        self._ask_to_stop()
                    for task, status in self._ended():
                        word = self._word(task, status)
                        bar.update(word == "trained")
                        more = f"  {self.trained(task)}" if word == "trained" else ""
                        tqdm.write(f"{word:<8} {task.cell.id}{more}".rstrip())
                        sys.stdout.flush()
                        if word == "stopped":
                            ended.waiting.append(task)
                            self._cut(ended)
                        elif word == "failed":
                            ended.failed.append((task, _reason(status)))
                    time.sleep(POLL_SECONDS)
            finally:
                self._ask_to_stop()
                for process in self.running:
                    process.wait()
        ended.waiting += queue
        return ended

    @property
    def over(self) -> bool:
        """Whether the time is up, or a stop was requested."""
        return time.monotonic() > self.deadline or self.stop()

    def _ready(self, queue: Sequence[Task]) -> Task | None:
        """Return the first task that waits for no other."""
        unfinished = {task.cell.id for task in (*queue, *self.running.values())}
        return next((task for task in queue if task.after not in unfinished), None)

    def _start(self, task: Task) -> None:
        task.log.parent.mkdir(parents=True, exist_ok=True)
        # A process that an interruption hides from us would continue to train for hours.
        with task.log.open("ab") as log, uninterrupted():
            # In a separate session it does not get Ctrl-C; we pass that on as a request to stop.
            process = subprocess.Popen(
                task.command(self.device),
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
            )
            self.running[process], self.began[process] = task, time.monotonic()
        free = [cores for cores in self.cores if cores not in self.held.values()]
        if free:
            self.held[process] = free[0]
            os.sched_setaffinity(process.pid, free[0])

    def _cut(self, ended: Ended) -> None:
        """Treat a training that stopped unasked as a sign that the allocation ends for all."""
        if not (self.asked or self.over):
            ended.cut, self.deadline = True, -math.inf

    def _ask_to_stop(self) -> None:
        self.asked = True
        for process in self.running:
            process.terminate()

    def _ended(self) -> list[tuple[Task, int]]:
        """Return the tasks whose process has ended, with its status.

        A killed process could not write the reason, which is added to its log.
        """
        ended = []
        for process in list(self.running):
            memory = _reap(process)
            if process.returncode is None:
                continue
            self.held.pop(process, None)
            task, took = self.running.pop(process), time.monotonic() - self.began.pop(process)
            if process.returncode < 0 and not self.asked:
                _write_end(task, process.returncode, took, memory)
            ended.append((task, process.returncode))
        return ended

    def _word(self, task: Task, status: int) -> str:
        # A process that was ended between writing its result and exiting has trained.
        if status == 0 or finished(task.cell, task.out):
            return "trained"
        # A process that does not catch the signal yet has nothing to lose.
        killed = self.asked and status == -signal.SIGTERM
        return "stopped" if killed or status == STOPPED else "failed"


def _reap(process: subprocess.Popen[bytes]) -> int:
    """Set the status of a process that has ended; return its peak memory in bytes, or 0.

    ``poll`` would suffice for the status, but does not report the memory of a single process.
    """
    if process.returncode is not None:
        return 0
    try:
        number, status, used = os.wait4(process.pid, os.WNOHANG)
    except ChildProcessError:  # another caller has already waited for it
        process.poll()
        return 0
    if number:
        process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 2**10)


def _write_end(task: Task, status: int, seconds: float, memory: int) -> None:
    most = f" and at most {size(memory)} of memory" if memory else ""
    with task.log.open("a", encoding="utf-8") as log:
        log.write(f"fggp: the training was {_reason(status)}; after {duration(seconds)}{most}\n")


def _reason(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    killed = f"ended by signal {-status}, {signal.strsignal(-status)}"
    if status == -signal.SIGKILL:
        killed += "; so does a system that runs out of memory"
    return killed
