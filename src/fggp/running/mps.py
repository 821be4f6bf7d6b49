"""NVIDIA's Multi-Process Service, which lets several processes compute on one GPU at once.

A control daemon (``nvidia-cuda-mps-control -d``) starts a server, which holds the GPU for all
processes that find the daemon's sockets by the variable ``CUDA_MPS_PIPE_DIRECTORY``. Commands are
entered into another ``nvidia-cuda-mps-control``, which exits with status 0 whenever it reaches
the daemon. Source: NVIDIA, Multi-Process Service, "nvidia-cuda-mps-control" (also its man page).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fggp.running.commands import TIMED_OUT, if_killed, run
from fggp.running.processes import kill, wait_until_none
from fggp.running.signals import uninterrupted

CONTROL = "nvidia-cuda-mps-control"
PIPES, LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
SOCKETS = "/tmp"
"""The parent folder of its sockets, whose paths must be short, unlike those in TMPDIR."""
START = ("sh", "-c", 'trap "" HUP INT TERM USR1; exec "$@"', "sh", CONTROL, "-d")
"""Starts the daemon, which then ignores the signals that a scheduler sends to all processes of a
job, as does its server: the trainings need it to copy their state off the GPU before they stop."""

QUIT = f'while echo quit | {CONTROL}; do sleep 1; done; rm -rf "$FOLDER"'
"""Ends the daemon once it has no client and deletes its folders, if this process cannot."""


@dataclass(frozen=True)
class Limits:
    """Time limits of NVIDIA's programs, in seconds.

    Attributes:
        start: start of the daemon, until its parent returns.
        answer: a command to the daemon.
        server: the server, from the start of the daemon until it is active.
        end: end of the daemon and its server, after the command to quit.
        listing: ``nvidia-smi``, which hangs if a driver is broken.

    """

    start: float = 15
    answer: float = 10
    server: float = 30
    end: float = 10
    listing: float = 30


PAUSE_SECONDS = 0.2
"""Seconds between two checks whether the server is active."""


class NoMps(Exception):  # noqa: N818 - the cells then use the GPU one after the other
    """There is no service for sharing a GPU; the message has the reason."""


@contextmanager
def mps(
    stop: Callable[[], bool] = lambda: False, limits: Limits | None = None
) -> Iterator[Mapping[str, str]]:
    """Run the service for one GPU, and end it; yield the environment of the processes that share.

    A service that the site already runs for us (``CUDA_MPS_PIPE_DIRECTORY`` names its sockets) is
    used unchanged, and not ended. Ours runs next to any other, with its own sockets and logs.

    Args:
        stop: polled; returns whether to stop waiting for the service.
        limits: time limits of its programs.

    Raises:
        NoMps: if the service is not installed, does not start, or cannot get the GPU.

    """
    if (site := os.environ.get(PIPES)) and Path(site, "control").exists():
        yield {}
        return
    if shutil.which(CONTROL) is None:
        raise NoMps(f"{CONTROL} is not on PATH")
    limits = limits or Limits()
    try:
        home = tempfile.mkdtemp(prefix="mps-", dir=SOCKETS)
    except OSError as error:
        raise NoMps(f"its sockets cannot be created in {SOCKETS}: {error.strerror}") from None
    own = {PIPES: f"{home}/pipe", LOGS: f"{home}/log"}
    try:
        with if_killed(QUIT, own | {"FOLDER": home}):
            _start(own, limits)
            _serve(own, limits, stop)
            # The service numbers the devices that it was given from 0.
            yield {PIPES: own[PIPES], "CUDA_VISIBLE_DEVICES": "0"}
    finally:
        with uninterrupted():
            left = _end(own, limits)
            shutil.rmtree(home, ignore_errors=True)
        if left:
            numbers = ", ".join(map(str, left))
            print(f"MPS had not ended {limits.end:g} s after `quit` and was killed: {numbers}")


def _start(own: Mapping[str, str], limits: Limits) -> None:
    with suppress(OSError):  # the daemon then reports it
        for path in own.values():
            Path(path).mkdir()
    ran = run(START, limits.start, environment=own)
    if ran.status == TIMED_OUT:
        raise NoMps(f"{CONTROL} -d did not return within {limits.start:g} seconds{_logged(own)}")
    if ran.status:
        complaint = ran.complaint.removeprefix(f"{CONTROL}: ")[:200]
        raise NoMps(f"{CONTROL} -d failed: {complaint}{_logged(own)}")


def _serve(own: Mapping[str, str], limits: Limits, stop: Callable[[], bool]) -> None:
    """Have a server started, and wait until it is active.

    A daemon always starts. Only a server shows whether the GPU is available, for example next to
    the service of a site and in compute mode EXCLUSIVE_PROCESS.
    """
    deadline, ordered = time.monotonic() + limits.server, False
    while not stop():
        trouble = ""
        try:
            if not ordered:  # the daemon may take some time to answer after its start
                _order(own, limits, f"start_server -uid {os.getuid()}")
                ordered = True
            state = _state(own, limits)
        except NoMps as error:
            state, trouble = "", str(error)
        if "ACTIVE" in state.split():
            return
        if "FAULT" in state.split() or time.monotonic() > deadline:
            trouble = trouble or f"its server is not active ({state or 'there is none'})"
            raise NoMps(f"{trouble}{_exclusive(limits)}{_logged(own)}")
        time.sleep(PAUSE_SECONDS)


def _state(own: Mapping[str, str], limits: Limits) -> str:
    """Return the daemon's answer about the state of its server; empty without one."""
    servers = [word for word in _order(own, limits, "get_server_list").split() if word.isdigit()]
    if not servers:
        return ""
    return _order(own, limits, f"get_server_status {servers[-1]}").strip().upper()[:80]


def _order(own: Mapping[str, str], limits: Limits, order: str) -> str:
    ran = run([CONTROL], limits.answer, entered=f"{order}\n", environment=own)
    if ran.status:
        raise NoMps(f"{CONTROL}: {ran.complaint.removeprefix(f'{CONTROL}: ')[:200]}")
    return ran.out


def _exclusive(limits: Limits) -> str:
    """Return a hint if the compute mode keeps a server off a GPU that another process holds."""
    asked = ["nvidia-smi", "--query-gpu=compute_mode", "--format=csv,noheader"]
    if "Exclusive_Process" not in run(asked, limits.listing).out:
        return ""
    return "; the GPU is in mode Exclusive_Process, and another process may hold it"


def _logged(own: Mapping[str, str]) -> str:
    """Return the last line that the service logged, to be appended to a reason."""
    for name in ("server.log", "control.log"):
        with suppress(OSError, IndexError):
            last = (
                Path(own[LOGS], name).read_text(encoding="utf-8", errors="replace").splitlines()[-1]
            )
            return f"; {name}: {last.rpartition('] ')[2][:200]}"
    return ""


def _end(own: Mapping[str, str], limits: Limits) -> list[int]:
    """End the daemon and its server, so that the GPU is free; return those that had to be killed.

    They are identified by their folders.
    """
    with suppress(NoMps):
        _order(own, limits, "quit -t 5")
    left = wait_until_none(LOGS, own[LOGS], limits.end)
    if left:
        kill(left)
        wait_until_none(LOGS, own[LOGS], limits.end)
    return left
