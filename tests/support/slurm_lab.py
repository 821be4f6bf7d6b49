"""A checkout whose Snakemake submits to a Slurm, and what can be seen of its jobs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from checkout import Checkout
from slurm_node import KILL_WAIT, Job, Slurm

PATIENCE = 600  # seconds; a guard against hanging, and never a promise
EPOCHS = 24  # of a training that is to be disturbed on the way


class Lab:
    """A checkout and a Slurm."""

    def __init__(self, checkout: Checkout, slurm: Slurm) -> None:
        self.checkout, self.slurm = checkout, slurm
        checkout.environment |= slurm.environment

    def start(self, *cells: str, study: str, options: tuple[str, ...] = ()) -> Snakemake:
        """Start ``snakemake --profile slurm`` on some cells of a study."""
        targets = [f"results/{study}/runs/{cell}.json" for cell in cells]
        # Snakemake looks again after this number of seconds, and each time ten seconds later.
        quick = ("--slurm-init-seconds-before-status-checks", "1")
        command = ("snakemake", *targets, "--profile", "slurm", "--configfile")
        process = self.checkout.start(*command, f"config/{study}.yaml", *quick, *options)
        return Snakemake(process, self)

    def run(
        self, *cells: str, study: str, status: int = 0, options: tuple[str, ...] = ()
    ) -> Snakemake:
        """Run ``snakemake --profile slurm`` to its end."""
        return self.start(*cells, study=study, options=options).end(status)

    def beside(self, cell: str, kind: str, study: str) -> Path:
        """Return the path of a file that lies hidden beside a result."""
        result = self.checkout.result(cell, study)
        return result.with_name(f".{result.stem}.{kind}")

    def trainer(self, cell: str, study: str) -> int:
        """Wait until a cell is trained; returns the process."""
        owner = self.beside(cell, "owner", study)
        self.wait(f"training of {cell}", owner.exists)
        return int(owner.read_text().split()[1])

    @contextmanager
    def holding(self, *cells: str, study: str) -> Iterator[None]:
        """Let trainings pause."""
        trainers = [self.trainer(cell, study) for cell in cells]
        for process in trainers:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in trainers:
                os.kill(process, signal.SIGCONT)

    def said(self, cell: str, study: str) -> str:
        """Return all that the trainings of a cell wrote to its log."""
        log = self.checkout.log(cell, study)
        kept = log.with_name(f".{log.name}")
        return next((path.read_text() for path in (kept, log) if path.exists()), "")

    def wait_for(self, cell: str, text: str, study: str) -> None:
        """Wait until the log of a cell holds ``text``."""
        self.wait(f"{text!r} in the log of {cell}", lambda: text in self.said(cell, study))

    def job(self, cell: str) -> Job:
        """Wait for the last job of a cell, and return it."""
        self.wait(f"a job of {cell}", lambda: bool(self.jobs(cell)))
        return self.jobs(cell)[-1]

    def jobs(self, cell: str) -> list[Job]:
        """Return the jobs of a cell in this checkout, ended ones included, in their order."""
        backbone, sparsity, start, label, seed = cell.split("/")
        values = (backbone, sparsity[1:], start[1:], label, seed.removeprefix("seed"))
        comment = f"rule_train_wildcards_{'_'.join(values)}"
        return [job for job in self.here() if job.comment == comment]

    def here(self) -> list[Job]:
        """Return the jobs of this checkout, ended ones included, in their order."""
        here = [job for job in self.slurm.jobs() if job.folder == str(self.checkout.path)]
        return sorted(here, key=lambda job: [int(part) for part in job.id.split("_")])

    def wait(self, what: str, true: Callable[[], bool]) -> None:
        """Wait for something; not for long where no Snakemake runs any more."""
        deadline = time.monotonic() + PATIENCE
        while not true():
            if all(process.poll() is not None for process in self.checkout.started):
                deadline = min(deadline, time.monotonic() + KILL_WAIT)
            assert time.monotonic() < deadline, f"waited in vain for {what}\n{self}"
            time.sleep(0.1)

    def __str__(self) -> str:
        logs = self.checkout.path.rglob("*.log")
        texts = [f"[{path}]\n{path.read_text()[-4000:]}" for path in logs if path.is_file()]
        jobs = "\n".join(map(str, self.slurm.jobs()))
        return "\n".join([*texts, "[jobs]", jobs, self.slurm.log()])


class Snakemake:
    """A Snakemake that was started."""

    def __init__(self, process: subprocess.Popen[str], lab: Lab) -> None:
        self.process, self.lab, self.text = process, lab, ""

    def end(self, status: int = 0) -> Snakemake:
        """Wait for the end, with an exit status."""
        self.text = self.process.communicate(timeout=PATIENCE)[0]
        assert self.process.returncode == status, f"{self.text}\n{self.lab}"
        return self

    def interrupt(self) -> Snakemake:
        """Press Ctrl-C, and wait for the end."""
        self.process.send_signal(signal.SIGINT)
        return self.end(1)

    def kill(self) -> None:
        """Kill it at once."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE)

    @property
    def submitted(self) -> int:
        """Return the number of Slurm jobs that it submitted."""
        return len(re.findall(r"has been submitted with SLURM jobid", self.text))


def gpu(process: int) -> str:
    """Return the GPUs that a process is to use."""
    text = Path(f"/proc/{process}/environ").read_text()
    found = [line for line in text.split("\0") if line.startswith("CUDA_VISIBLE_DEVICES=")]
    return found[0].partition("=")[2]


def parent(process: int) -> str:
    """Return the program that started a process."""
    number = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1]
    return Path(f"/proc/{number}/comm").read_text().strip()


def check(lab: Lab, undisturbed: Checkout, *cells: str) -> None:
    """Check that cells of study ``long`` came to the undisturbed bits, and no epoch came twice."""
    trained = undisturbed.fingerprints("long")
    assert lab.checkout.fingerprints("long") == {cell: trained[cell] for cell in cells}
    for cell in cells:
        said = lab.said(cell, "long")
        assert epochs(said) == list(range(1, EPOCHS + 1)), said


def epochs(text: str) -> list[int]:
    """Return the epochs that a log speaks of, in its order."""
    return [int(number) for number in re.findall(r"^epoch +(\d+)/", text, re.MULTILINE)]
