"""Whole processes, from their start to their end."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.work import Row

TIMEOUT = 900
# Started from a small process: a new process counts the memory of the one that started it.
WATCH = """
import os, subprocess, sys, time
began = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=sys.stderr)
_, status, used = os.wait4(process.pid, 0)
wall = time.perf_counter() - began
print(wall, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.stdout.flush()
os._exit(os.waitstatus_to_exitcode(status) and 1)
"""


@dataclass(frozen=True)
class Child:
    """One finished process: seconds of wall clock and of CPU, and peak memory in MB."""

    wall: float
    cpu: float
    peak: float


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Child:
    """Run a command to its end; raise RuntimeError with its last output if it fails.

    Memory is that of its largest process.
    """
    with tempfile.TemporaryFile() as words:
        ended = subprocess.run(
            [sys.executable, "-S", "-c", WATCH, *command],
            cwd=folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=words,
            timeout=TIMEOUT,
            check=False,
        )
        if ended.returncode:
            words.seek(0)
            raise RuntimeError(f"{' '.join(command)[:200]}: {words.read().decode()[-2000:]}")
    wall, cpu, peak = map(float, ended.stdout.split())
    return Child(wall, cpu, peak * (1 if sys.platform == "darwin" else 1024) / 1e6)


def in_turns(
    benchmark: str,
    case: str,
    commands: Mapping[str, Sequence[str]],
    *,
    rounds: int,
    folder: Path,
    environment: Mapping[str, str],
    warm: int = 1,
) -> list[Row]:
    """Run commands alternately; return their seconds, and rows with their peak memory."""
    seen: dict[str, list[Child]] = {name: [] for name in commands}
    for number in range(warm + rounds):
        for name, command in commands.items():
            child = run(command, folder, environment)
            if number >= warm:
                seen[name].append(child)
    times = [
        Row(benchmark, case, name, "s", tuple(x.wall for x in all_), tuple(x.cpu for x in all_))
        for name, all_ in seen.items()
    ]
    peaks = [
        Row("peak memory", case, name, "MB", (max(x.peak for x in all_),))
        for name, all_ in seen.items()
    ]
    return times + peaks
