"""A machine with a GPU: stand-ins for the programs of its driver."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fggp.running.mps import CONTROL, Limits

NEVER_MET = Limits(start=120, answer=120, server=120, end=120, listing=120)
"""Limits that only something broken reaches, on a busy machine too."""


@dataclass(frozen=True)
class Note:
    """A line of what the stand-ins wrote down."""

    what: str
    detail: str
    pid: int
    devices: str
    pipes: str


@dataclass(frozen=True)
class Machine:
    """Stand-ins on PATH, and the file in which they write down what they do."""

    programs: Path
    notes: Path
    sockets: Path
    setenv: Callable[[str, str], None]

    def program(self, name: str, text: str) -> None:
        path = self.programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def with_mps(self, conduct: str = "") -> None:
        """Install the service, which misbehaves as the words say; see ``mps_program.py``."""
        program = str(Path(__file__).with_name("mps_program.py"))
        called = shlex.join([sys.executable, "-I", "-S", program])
        self.program(CONTROL, f'exec {called} "$@"')
        self.setenv("MPS_NOTES", str(self.notes))
        self.setenv("MPS_CONDUCT", conduct)

    def noted(self, *what: str) -> list[Note]:
        fields = [line.split(":") for line in self.notes.read_text().splitlines()]
        notes = [Note(a, b, int(c), d, e) for a, b, c, d, e in fields]
        return [note for note in notes if not what or note.what in what]

    def running(self) -> list[Note]:
        """The stand-ins that have not ended."""
        return [note for note in self.noted() if is_running(note.pid)]

    def left(self) -> list[object]:
        """The stand-ins that do not end, and the folders of their sockets."""
        notes = [note for note in self.running() if not ends(note.pid)]
        return [*notes, *self.sockets.iterdir()]

    def end(self) -> None:
        for note in self.running():
            with suppress(ProcessLookupError):
                os.kill(note.pid, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """Whether a process has not ended; one that nobody waited for has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def ends(pid: int, seconds: float = 10) -> bool:
    """Whether a process ends within some seconds: a killed one does so at its next time slice."""
    deadline = time.monotonic() + seconds
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_running(pid)


@contextmanager
def gpu_machine(tmp_path: Path) -> Iterator[Machine]:
    """Put the stand-ins on PATH: a GPU, and no service yet."""
    # Not in tmp_path, as names of sockets are short.
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory(dir="/tmp") as sockets:
        machine = Machine(tmp_path / "bin", tmp_path / "notes", Path(sockets), patch.setenv)
        machine.programs.mkdir()
        machine.notes.touch()
        machine.program("nvidia-smi", "echo 'GPU 0: a stand-in'")
        patch.setattr("fggp.running.mps.SOCKETS", sockets)
        patch.setenv("PATH", f"{machine.programs}{os.pathsep}/usr/bin{os.pathsep}/bin")
        patch.setenv("CUDA_VISIBLE_DEVICES", "2")
        patch.delenv("CUDA_MPS_PIPE_DIRECTORY", raising=False)
        try:
            yield machine
        finally:
            machine.end()
