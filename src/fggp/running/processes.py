"""Orphaned processes, found by a variable of their environment."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PAUSE_SECONDS = 0.05


def with_variable(name: str, value: str) -> list[int]:
    """Return the numbers of our processes that were started with a variable.

    A daemon has left its parent and can only be found by its inherited environment. Empty on
    systems that do not show environments (``/proc``); excludes processes that have ended.
    """
    wanted, found = f"{name}={value}".encode(), []
    for path in PROC.glob("[0-9]*/environ"):
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def wait_until_none(name: str, value: str, seconds: float) -> list[int]:
    """Wait until no process with a variable is left; return those left after ``seconds``."""
    deadline = time.monotonic() + seconds
    while (left := with_variable(name, value)) and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return left


def kill(numbers: Sequence[int]) -> None:
    """Kill processes that may already have ended."""
    for number in numbers:
        with suppress(OSError):
            os.kill(number, signal.SIGKILL)
