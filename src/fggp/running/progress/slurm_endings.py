"""The endings of Slurm jobs, according to Slurm: for trainings killed without a message.

The accounting (``sacct``) keeps state, exit status, time and memory for good. Without it, the
controller (``scontrol``) keeps all but the memory for ``MinJobAge`` seconds. The log of the job
contains the messages of Slurm, such as a kill for lack of memory.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fggp.foundation.quantities import size
from fggp.running.commands import run
from fggp.running.doctor.slurm_output import fields

ANSWER_SECONDS = 20
LOGS = Path("logs/slurm")
"""The folder of the job logs of the profile; each is named after its job number."""
TAIL = 16_384
SACCT = ("sacct", "--noheader", "--parsable2", "--format=JobID,State,ExitCode,Elapsed,MaxRSS")
GOES_ON = {"RUNNING", "COMPLETING", "CONFIGURING", "STAGE_OUT", "SUSPENDED", "STOPPED"}
WAITS = {"PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESIZING"}
WRITTEN = re.compile(r"^(?:slurmstepd|srun|slurmd)\S*: (?:error: )?(.*)$", re.MULTILINE)
TELLING = re.compile(r"oom|out of memory|CANCELLED|DUE TO|memory limit|Killed", re.IGNORECASE)
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Ending:
    """Slurm's record of a job.

    Attributes:
        state: Slurm's name of the state, such as "OUT_OF_MEMORY"; empty if only its log is known.
        text: all known facts, on one line.

    """

    state: str
    text: str

    @property
    def waits(self) -> bool:
        """Whether the job is queued, for the first time or again."""
        return self.state in WAITS

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self.state not in WAITS | GOES_ON


def endings(jobs: Iterable[str]) -> dict[str, Ending]:
    """Return the records of jobs by number; unknown jobs are omitted."""
    asked = sorted(set(jobs))
    if not asked:
        return {}
    found = from_accounting(asked)
    for job in asked:
        if job not in found and (ending := _from_controller(job) or _from_log(job)):
            found[job] = ending
    return found


def from_accounting(jobs: Iterable[str]) -> dict[str, Ending]:
    """Return the records of ``sacct``; the memory is the maximum over the steps of a job."""
    ran = run([*SACCT, f"--jobs={','.join(jobs)}"], ANSWER_SECONDS)
    rows = [line.split("|") for line in ran.out.splitlines()] if ran.status == 0 else []
    memory: dict[str, float] = {}
    whole: dict[str, list[str]] = {}
    for row in rows:
        if len(row) != len(SACCT[-1].split(",")):
            continue
        job, dot, _ = row[0].partition(".")
        if not dot:
            whole[job] = row
        memory[job] = max(memory.get(job, 0.0), _bytes(row[4]))
    return {
        job: _ending(job, state.split()[0] if state else "", code, elapsed, memory[job])
        for job, (_, state, code, elapsed, _) in whole.items()
    }


def _from_controller(job: str) -> Ending | None:
    ran = run(["scontrol", "show", "job", job, "--oneliner"], ANSWER_SECONDS)
    rows = fields(ran.out) if ran.status == 0 else []
    if not rows or "JobState" not in rows[0]:
        return None
    row: Mapping[str, str] = rows[0]
    return _ending(job, row["JobState"], row.get("ExitCode", ""), row.get("RunTime", ""), 0)


def _from_log(job: str) -> Ending | None:
    """Return the last message of Slurm in the log of a job about its end."""
    for path in sorted(LOGS.rglob(f"{job}.log")):
        try:
            with path.open("rb") as log:
                log.seek(max(0, os.fstat(log.fileno()).st_size - TAIL))
                text = log.read().decode(errors="replace")
        except OSError:
            continue
        told = [line.strip(" *") for line in WRITTEN.findall(text) if TELLING.search(line)]
        if told:
            return Ending("", f"Slurm job {job}: {told[-1][:200]}")
    return None


def _ending(job: str, state: str, code: str, elapsed: str, memory: float) -> Ending:
    parts = [f"Slurm job {job}: {state}"]
    if code and state not in WAITS | GOES_ON:
        status, _, number = code.partition(":")
        parts.append(f"exit status {status}" + f", signal {number}" * (number not in ("", "0")))
    if elapsed:
        parts.append(f"after {elapsed}")
    if memory:
        parts.append(f"at most {size(memory)} of memory")
    return Ending(state, ", ".join(parts))


def _bytes(text: str) -> float:
    """Read «15998000K»; 0 for an empty or invalid size."""
    matched = re.fullmatch(r"([\d.]+)([KMGT]?)", text)
    return float(matched[1]) * UNITS[matched[2]] if matched else 0.0
