"""A private copy of the repository, and the outcome of a command in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml
from fork_server import clients
from pausing import pause_after

from fggp.study.result_file import fingerprint

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "src", "config", "slurm", "envs")
TIMEOUT = 600  # seconds; a guard against hanging, and never a promise
TINY = {
    "description": "for tests",
    "data": {"kind": "digits", "name": "digits", "validation": 100, "train": 200},
    "backbones": {"vgg19": {"width": 0.0625, "lr": 1}},
    "sparsities": [0.9],
    "initial_sparsities": [0, 0.5],
    "seeds": [1],
    "methods": {"dense": {}, "gmp": {}, "granet": {}, "fggp": {}},
    "training": {"epochs": 2, "batch_size": 32, "pad": 1, "flip": False},
    "pruning": {"update_every": 3, "end_epoch": 1},
}
# Two labels of TINY: three of its cells, the same to the bit.
FEW = TINY | {"methods": {"dense": {}, "fggp": {}}}
TINY_CELLS = {"vgg19/s0/i0/dense/seed1"} | {
    f"vgg19/s90/i{start}/{label}/seed1" for start in (0, 50) for label in ("gmp", "granet", "fggp")
}
FEW_CELLS = {cell for cell in TINY_CELLS if "/dense/" in cell or "/fggp/" in cell}


@dataclass(frozen=True)
class Ran:
    """A finished command; its text says all that a failed assertion needs."""

    command: str
    status: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {self.command}\nstatus {self.status}\n{self.out}\n[stderr]\n{self.err}"

    @property
    def jobs(self) -> dict[str, int]:
        """The jobs that Snakemake counts, without their total; empty if no job is left."""
        rows = re.findall(r"^(\w+) +(\d+)$", self.out + self.err, re.MULTILINE)
        counted = {rule: int(count) for rule, count in rows if rule != "total"}
        assert counted or "Nothing to be done" in self.out + self.err, f"no job table in {self}"
        return counted

    @property
    def trained(self) -> set[str]:
        """The cells that Snakemake schedules; needs output without ``--quiet rules``."""
        pattern = r"^ +output: results/[^/]+/runs/(\S+)\.json$"
        cells = re.findall(pattern, self.out + self.err, re.MULTILINE)
        assert len(cells) == self.jobs.get("train", 0), self
        return set(cells)

    @property
    def complaint(self) -> str:
        """The one line of a refusal."""
        lines = self.err.splitlines()
        assert self.status == 1, self
        assert len(lines) == 1, f"one line on stderr expected: {self}"
        assert lines[0].startswith("fggp: "), self
        assert "Traceback" not in self.out, self
        return lines[0]


class Checkout:
    """A copy of what a run needs, with its own results, data and Snakemake records."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment: dict[str, str] = {}
        self.started: list[subprocess.Popen[str]] = []

    @classmethod
    def fresh(cls, path: Path) -> Checkout:
        """Copy the repository without anything that was made in it, and add two studies."""
        path.mkdir()
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, path / name)
            else:
                shutil.copy2(source, path / name)
        checkout = cls(path)
        checkout.study("tiny", **TINY)
        checkout.study("few", **FEW)
        return checkout

    def copy(self, path: Path) -> Checkout:
        """Copy everything, times and records included."""
        shutil.copytree(self.path, path)
        return Checkout(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def study(self, name: str, **content: object) -> Path:
        """Write a study; returns its path from the top of the checkout."""
        path = Path("config") / f"{name}.yaml"
        (self / str(path)).write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    def run(self, *command: str, status: int | None = 0, **changes: str) -> Ran:
        """Run a command to its end; ``status`` is the expected exit status, None for any."""
        program, *arguments = command
        ended = subprocess.run(
            ["python" if program == sys.executable else program, *arguments],
            cwd=self.path,
            env=self._environment(quick=True) | changes,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        ran = Ran(" ".join(command), ended.returncode, ended.stdout, ended.stderr)
        assert status in (None, ran.status), f"status {status} expected: {ran}{self._logs(ran)}"
        return ran

    def _logs(self, ran: Ran) -> str:
        """Return the logs that a command speaks of: temporary folders do not outlive many runs."""
        names = dict.fromkeys(re.findall(r"\bresults/\S+\.log\b", ran.out + ran.err))
        there = [self / name for name in names if (self / name).is_file()]
        return "".join(f"\n[{path}]\n{path.read_text()}" for path in there)

    def fggp(self, *arguments: str, status: int | None = 0, **changes: str) -> Ran:
        """Run ``python -m fggp``."""
        return self.run(sys.executable, "-m", "fggp", *arguments, status=status, **changes)

    def snakemake(self, *arguments: str, study: str = "tiny", status: int | None = 0) -> Ran:
        """Run Snakemake on a study; on the default one where ``study`` is empty."""
        chosen = ("--configfile", f"config/{study}.yaml") if study else ()
        return self.run("snakemake", *arguments, *chosen, status=status)

    def dry(self, *arguments: str, study: str = "tiny") -> Ran:
        """Return the dry run of a study, jobs with their outputs."""
        return self.snakemake("-n", *arguments, study=study)

    def pause(self, epoch: int) -> None:
        """Let each training that starts from now on pause after an epoch, until a signal comes."""
        (self / "src/sitecustomize.py").write_text(pause_after(epoch))

    def pause_no_more(self) -> None:
        """Let trainings that start from now on run to their end."""
        (self / "src/sitecustomize.py").unlink()

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command that ends with the test at the latest."""
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def end(self) -> None:
        """Kill the processes that still run, their children included."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=TIMEOUT)

    def result(self, cell: str, study: str = "tiny") -> Path:
        """Return the path of a cell's result."""
        return self / f"results/{study}/runs/{cell}.json"

    def log(self, cell: str, study: str = "tiny") -> Path:
        """Return the path of a cell's log."""
        return self / f"results/{study}/logs/{cell}.log"

    def fingerprints(self, study: str = "tiny") -> dict[str, str]:
        """Return the canonical bytes of all results of a study, by cell."""
        runs = self / f"results/{study}/runs"
        return {
            str(path.relative_to(runs).with_suffix("")): fingerprint(json.loads(path.read_text()))
            for path in sorted(runs.rglob("seed*.json"))
        }

    def files(self, *folders: str) -> dict[str, tuple[int, bytes]]:
        """Return time and content of all files below folders."""
        return {
            str(path.relative_to(self.path)): (path.stat().st_mtime_ns, path.read_bytes())
            for path in self._files(folders)
        }

    def _files(self, folders: tuple[str, ...]) -> Iterator[Path]:
        for folder in folders:
            yield from (path for path in (self / folder).rglob("*") if path.is_file())

    def _environment(self, *, quick: bool = False) -> dict[str, str]:
        """Return the variables of a command; a ``quick`` one is forked where it can be."""
        # Bytecode saves seconds; a GPU would make other bits than the CPU.
        dropped = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "SNAKEMAKE_PROFILE"}
        kept = {name: value for name, value in os.environ.items() if name not in dropped}
        folders = [str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]
        if quick and not self.environment and (forking := clients()):
            folders.insert(0, str(forking))
        path = os.pathsep.join(folders)
        own = {"PATH": path, "PYTHONPATH": str(self / "src"), "FGGP_DEVICE": "cpu"}
        return kept | own | self.environment
