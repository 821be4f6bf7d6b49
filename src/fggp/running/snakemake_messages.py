"""Names the cells in Snakemake's messages about finished trainings."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from fggp.running.countdown import Countdown

CELL = re.compile(r".*/runs/([^/]+/s[^/]+/i[^/]+/[^/]+/seed\d+)\.json")
"""The result file of a cell."""


class NamedCells(logging.Filter):
    """A filter of Snakemake's logger that adds cells, accuracy and time left to its messages.

    "Finished jobid: 19 (Rule: train)" is followed by a line for each cell that the job trained. No
    message is filtered out, and all others stay as they are.

    Args:
        work: work of each cell of the study; see `fggp.running.countdown.Countdown`.
        per_job: number of cells that a job of each training rule trains.

    """

    def __init__(self, work: Mapping[str, float], per_job: Mapping[str, int]) -> None:
        super().__init__()
        self._work, self._per_job = work, per_job
        self._countdown: Countdown | None = None
        self._expected: int | None = None
        self._outputs: dict[int, list[str]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Record the outputs of jobs, and add to the message about a finished job."""
        said = record.__dict__
        event = str(said.get("event", ""))
        if event == "run_info":
            jobs = said.get("stats", {})
            self._expected = sum(jobs.get(rule, 0) * n for rule, n in self._per_job.items())
        elif event == "job_info" and said.get("rule_name") in self._per_job:
            self._countdown = self._countdown or Countdown(self._work, self._expected)
            self._outputs[said["jobid"]] = list(said["output"])
        elif event == "job_finished":
            made = self._outputs.pop(said.get("job_id", -1), [])
            record.msg = "\n".join([str(record.msg), *self._lines(made)])
        return True

    def _lines(self, made: Iterable[str]) -> Iterable[str]:
        for path in made:
            if self._countdown is not None and (cell := CELL.fullmatch(path)):
                yield f"trained {cell[1]}  {self._countdown.finish(cell[1], Path(path))}"
