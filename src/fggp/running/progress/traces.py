"""What a training leaves on disk before its result: owner, checkpoint and log.

All that is known of a cell on another machine is in these files, so that a login node needs
neither the scheduler nor the process.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from fggp.study.study_folder import RUNS

TAIL = 16_384
OWNER = re.compile(r"process (\d+) on (\S+)(?: \(Slurm job (\S+)\))?")
EPOCH = re.compile(
    rb"epoch +(\d+)/(\d+) .*?"
    rb"(?:(?:validation [\d. ]+% \((\d+) of \d+\)  )?test [\d. ]+% \((\d+) of \d+\).*"
    rb"|validation +(\d+), test +(\d+).*)?",
    re.DOTALL | re.ASCII,
)
"""The line of an epoch, as it is written now or by versions that wrote counts alone."""
ENDED = re.compile(
    rb"stopped with a checkpoint|^fggp: interrupted|^Slurm job \S+ ends"
    rb"|seed\d+\.json( was there already)?$"
)
REFUSED = b" trains this cell"
ERROR = re.compile(
    rb"^Traceback |^fggp: |^Fatal |error\b|command not found|No module named|^Killed",
    re.MULTILINE | re.IGNORECASE,
)
CLOCKS = 60
"""Seconds by which the start of a process and the time of its files may disagree."""


@dataclass(frozen=True)
class Owner:
    """Who trains a cell, as its owner file says.

    Attributes:
        since: when the file was written, in seconds of the epoch.
        pid: the process, None where the file cannot be read.
        host: the machine, empty where the file cannot be read.
        job: the number of the Slurm job that it belongs to, empty outside of one.

    """

    since: float
    pid: int | None = None
    host: str = ""
    job: str = ""

    @property
    def here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.pid is not None and self.host == platform.node()

    @property
    def alive(self) -> bool:
        """Whether a process of this machine still is the one that wrote the file."""
        return self.pid is not None and _alive(self.pid, self.since)


@dataclass(frozen=True)
class Log:
    """The end of a log, with all that its last attempt says.

    Attributes:
        changed: when it was last written, in seconds of the epoch.
        epoch: the last finished epoch, 0 where there is none.
        epochs: of the whole training, 0 where no epoch is finished.
        correct: images of validation and test at that epoch, None where the line lacks them.
        error: the last line of an attempt that ended with an error, else empty.

    """

    changed: float
    epoch: int = 0
    epochs: int = 0
    correct: tuple[int, int] | None = None
    error: str = ""


@dataclass(frozen=True)
class Trace:
    """What there is of a cell.

    Attributes:
        owner: who trains it, None where nobody does.
        checkpoint: when that was written, in seconds of the epoch, None where there is none.
        log: its end, None where there is none.

    """

    owner: Owner | None = None
    checkpoint: float | None = None
    log: Log | None = None

    @property
    def changed(self) -> float:
        """When any of its files was last written, in seconds of the epoch; 0 without any."""
        times = (
            self.owner.since if self.owner else 0.0,
            self.checkpoint or 0.0,
            self.log.changed if self.log else 0.0,
        )
        return max(times)


class Traces:
    """The traces of all cells of a study; every folder is listed once.

    Args:
        home: the results folder.

    """

    def __init__(self, home: Path) -> None:
        self.runs, self.logs = f"{home}/{RUNS}", f"{home}/logs"
        self._names: dict[str, frozenset[str]] = {}

    def log_path(self, name: str) -> str:
        """Return the path of a cell's log."""
        return f"{self.logs}/{name}.log"

    def result(self, name: str) -> str | None:
        """Return the path of a cell's result, or None where neither it nor its copy is there."""
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
        found = OWNER.match(Path(path).read_text(errors="replace"))
    except OSError:
        found = None
    return Owner(since, int(found[1]), found[2], found[3] or "") if found else Owner(since)


def _changed(path: str) -> float | None:
    try:
        return os.stat(path).st_mtime
    except OSError:  # it went while we looked
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
    """Return what the end of a log says.

    Args:
        text: its last bytes.
        changed: when it was last written.

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
    """Return the last line where an attempt ended with an error, else nothing."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    kept = [line for line in lines if REFUSED not in line]
    ended = [at for at, line in enumerate(kept) if ENDED.search(line)]
    last = kept[ended[-1] + 1 :] if ended else kept
    if not last or not ERROR.search(b"\n".join(last)):
        return ""
    return " ".join(last[-1].decode(errors="replace").split())[:200]


def _alive(pid: int, since: float) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text().splitlines()
            if line.startswith("btime")
        )
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists() and _answers(pid)
    except (OSError, ValueError, IndexError, StopIteration):
        return _answers(pid)
    # A number is given to another process some time after its owner ended.
    started = boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return fields[0] not in "ZX" and started <= since + CLOCKS


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
