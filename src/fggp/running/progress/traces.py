"""The files of a training before its result: owner, checkpoint and log.

Everything that is known about a cell on another machine is in these files, so that a login node
needs neither the scheduler nor the process.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from fggp.foundation.files import process_exists
from fggp.study.study_folder import RUNS

TAIL = 16_384
OWNER = re.compile(r"process (\d+) on (\S+)(?: \(Slurm job (\S+)\))?")
EPOCH = re.compile(
    rb"epoch +(\d+)/(\d+) .*?"
    rb"(?:(?:validation [\d. ]+% \((\d+) of \d+\)  )?test [\d. ]+% \((\d+) of \d+\).*"
    rb"|validation +(\d+), test +(\d+).*)?",
    re.DOTALL | re.ASCII,
)
"""The line of an epoch, as written now or by versions that wrote only counts."""
ENDED = re.compile(
    rb"stopped with a checkpoint|^fggp: interrupted|^Slurm job \S+ ends"
    rb"|seed\d+\.json( was there already)?$"
)
REFUSED = b" training this cell; "
ERROR = re.compile(
    rb"^Traceback |^fggp: |^Fatal |error\b|command not found|No module named|^Killed",
    re.MULTILINE | re.IGNORECASE,
)
CLOCKS = 60
"""Seconds by which the start of a process and the time of its files may differ."""


@dataclass(frozen=True)
class Owner:
    """The process that trains a cell, according to its owner file.

    Attributes:
        since: time at which the file was written, in seconds since the Unix epoch.
        pid: process number; None if the file cannot be read.
        host: name of the machine; empty if the file cannot be read.
        job: number of the Slurm job of the process; empty outside a job.

    """

    since: float
    pid: int | None = None
    host: str = ""
    job: str = ""

    @property
    def here(self) -> bool:
        """Whether it is a process on this machine."""
        return self.pid is not None and self.host == platform.node()

    @property
    def alive(self) -> bool:
        """Whether the process that wrote the file is still alive on this machine."""
        return self.pid is not None and _alive(self.pid, self.since)


@dataclass(frozen=True)
class Log:
    """The end of a log, with the content of its last attempt.

    Attributes:
        changed: time at which it was last written, in seconds since the Unix epoch.
        epoch: last finished epoch; 0 if there is none.
        epochs: epochs of the whole training; 0 if no epoch is finished.
        correct: correct images of validation and test at that epoch; None if the line lacks them.
        error: last line of an attempt that ended with an error; else empty.

    """

    changed: float
    epoch: int = 0
    epochs: int = 0
    correct: tuple[int, int] | None = None
    error: str = ""


@dataclass(frozen=True)
class Trace:
    """The files of a cell.

    Attributes:
        owner: process that trains it; None if no process does.
        checkpoint: time at which the checkpoint was written, in seconds since the Unix epoch; None
            if there is none.
        log: end of its log; None if there is none.

    """

    owner: Owner | None = None
    checkpoint: float | None = None
    log: Log | None = None

    @property
    def changed(self) -> float:
        """The time of the last write to any of its files, in seconds since the epoch; 0 if none."""
        times = (
            self.owner.since if self.owner else 0.0,
            self.checkpoint or 0.0,
            self.log.changed if self.log else 0.0,
        )
        return max(times)


class Traces:
    """The traces of all cells of a study; every folder is listed once.

    Args:
        home: results folder.

    """

    def __init__(self, home: Path) -> None:
        self.runs, self.logs = f"{home}/{RUNS}", f"{home}/logs"
        self._names: dict[str, frozenset[str]] = {}

    def log_path(self, name: str) -> str:
        """Return the path of a cell's log."""
        return f"{self.logs}/{name}.log"

    def result(self, name: str) -> str | None:
        """Return the path of a cell's result, or None if neither it nor its copy exists."""
        folder, _, seed = name.rpartition("/")
        there = self._listed(f"{self.runs}/{folder}")
        if f"{seed}.json" in there or f".{seed}.kept.json" in there:
            return f"{self.runs}/{name}.json"
        return None

    def of(self, name: str) -> Trace:
        """Return the trace of a cell."""
        folder, _, seed = name.rpartition("/")
        beside, logs = f"{self.runs}/{folder}", f"{self.logs}/{folder}"
        there = self._listed(beside)
        owner, checkpoint = f".{seed}.owner", f".{seed}.ckpt"
        return Trace(
            _owner(f"{beside}/{owner}") if owner in there else None,
            _changed(f"{beside}/{checkpoint}") if checkpoint in there else None,
            _log(f"{logs}/{seed}.log") if f"{seed}.log" in self._listed(logs) else None,
        )

    def _listed(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]


def _owner(path: str) -> Owner | None:
    since = _changed(path)
    if since is None:
        return None
    try:
        found = OWNER.match(Path(path).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        found = None
    return Owner(since, int(found[1]), found[2], found[3] or "") if found else Owner(since)


def _changed(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:  # it has just been deleted
        return None


def _log(path: str) -> Log | None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        text = os.pread(handle, TAIL, max(0, found.st_size - TAIL))
    except OSError:
        return None
    finally:
        os.close(handle)
    return read_log(text, found.st_mtime)


def read_log(text: bytes, changed: float) -> Log:
    """Parse the end of a log.

    Args:
        text: last bytes of the log.
        changed: time at which it was last written.

    """
    line_before = text.rfind(b"\nepoch ")
    begin = 0 if line_before < 0 and text.startswith(b"epoch ") else line_before + 1
    line, _, after = text[begin:].partition(b"\n")
    epoch = EPOCH.fullmatch(line)
    if epoch is None:
        return Log(changed, error=_error(text))
    validation, test = epoch[3] or epoch[5], epoch[4] or epoch[6]
    correct = (int(validation or 0), int(test)) if test else None
    return Log(changed, int(epoch[1]), int(epoch[2]), correct, _error(after))


def _error(text: bytes) -> str:
    """Return the last line if the attempt ended with an error, else an empty string."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if REFUSED not in line]
    ended = [at for at, line in enumerate(kept) if ENDED.search(line)]
    last = kept[ended[-1] + 1 :] if ended else kept
    if not last or not ERROR.search(b"\n".join(last)):
        return ""
    return " ".join(last[-1].decode(errors="replace").split())[:200]


def _alive(pid: int, since: float) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="utf-8").splitlines()
            if line.startswith("btime")
        )
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists() and process_exists(pid)
    except (OSError, ValueError, IndexError, StopIteration):
        return process_exists(pid)
    # The number is reused for another process some time after its owner has ended.
    started = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] not in "ZX" and started <= since + CLOCKS
