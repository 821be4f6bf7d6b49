"""Several trainings at once, each in a process of its own, until the time is over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from fggp.cell import Cell
from fggp.matching import finished

POLL_SECONDS = 0.2
STOPPED = 75
"""Exit status of a training that stopped with a checkpoint."""


@dataclass(frozen=True)
class Task:
    """A cell to train.

    Attributes:
        cell: what to train.
        data: its data file.
        out: its result file.
        logs: the folder of its log.
        after: the name of a cell that has to be trained before.

    """

    cell: Cell
    data: Path
    out: Path
    logs: Path
    after: str | None = None

    @property
    def log(self) -> Path:
        """The path of the log."""
        return self.logs / f"{self.cell.id}.log"

    def command(self, device: str) -> list[str]:
        """Return the command line, the same as that of the Snakemake rule."""
        return [
            *(sys.executable, "-m", "fggp", "train", "--device", device),
            *("--cell", self.cell.canonical(), "--data", str(self.data), "--out", str(self.out)),
        ]


class Workers:
    """Trains tasks in their order.

    Args:
        jobs: how many at once.
        deadline: of ``time.monotonic``; then trainings are asked to stop and none is started.
        device: passed on to each training.

    """

    def __init__(self, jobs: int, deadline: float, device: str) -> None:
        self.jobs, self.deadline, self.device = jobs, deadline, device
        self.running: dict[subprocess.Popen[bytes], Task] = {}
        self.asked = False

    def train(self, tasks: Sequence[Task]) -> tuple[list[Task], list[Task]]:
        """Train the tasks; returns those that failed and those that wait for another time."""
        queue: list[Task] = list(tasks)
        failed: list[Task] = []
        stopped: list[Task] = []
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
                        bar.update(status == 0)
                        word = self._word(task, status)
                        tqdm.write(f"{word:<8} {task.cell.id}")
                        if word != "trained":
                            (stopped if word == "stopped" else failed).append(task)
                    time.sleep(POLL_SECONDS)
            finally:
                self._ask_to_stop()
                for process in self.running:
                    process.wait()
        return failed, stopped + queue

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.deadline

    def _ready(self, queue: Sequence[Task]) -> Task | None:
        """Return the first task that waits for no other."""
        unfinished = {task.cell.id for task in (*queue, *self.running.values())}
        return next((task for task in queue if task.after not in unfinished), None)

    def _start(self, task: Task) -> None:
        task.log.parent.mkdir(parents=True, exist_ok=True)
        # Threads that wait actively would take the cores from the neighbours.
        environment = os.environ | {"OMP_WAIT_POLICY": "passive"}
        with task.log.open("ab") as log:
            # In a session of its own it does not get Ctrl-C; we pass that on as a request to stop.
            process = subprocess.Popen(
                task.command(self.device),
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )
        self.running[process] = task

    def _ask_to_stop(self) -> None:
        self.asked = True
        for process in self.running:
            process.terminate()

    def _ended(self) -> list[tuple[Task, int]]:
        ended = [process for process in self.running if process.poll() is not None]
        return [(self.running.pop(process), process.returncode) for process in ended]

    def _word(self, task: Task, status: int) -> str:
        # One that was ended after its result was written, and before it had left, is trained.
        if status == 0 or finished(task.cell, task.out):
            return "trained"
        # One that had not got as far as catching the signal when it came has nothing to lose.
        killed = self.asked and status == -signal.SIGTERM
        return "stopped" if killed or status == STOPPED else "failed"
