"""Commands of the system, and what came of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple

TIMED_OUT, NOT_RUN = 124, 127
"""The status of a command that took too long, and of one that cannot be run, as in a shell."""


class Ran(NamedTuple):
    """What came of a command: its status, its output, and its complaint."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All of its output on one line."""
        return " ".join(f"{self.out} {self.err}".split())

    @property
    def complaint(self) -> str:
        """Why it failed, on one line."""
        text = " ".join((self.err or self.out).split())
        return text or f"exit status {self.status}"


def run(
    command: Sequence[str],
    patience: float,
    *,
    entered: str = "",
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run a command that may take so many seconds (``patience``); raises nothing.

    Args:
        command: the program and its arguments.
        patience: after so many seconds it is killed, and its status is `TIMED_OUT`.
        entered: what it reads from its standard input.
        environment: variables besides those of this process.

    """
    try:
        ran = subprocess.run(
            command,
            input=entered,
            env=os.environ | (environment or {}),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Ran(TIMED_OUT, "", f"{command[0]} has not answered in {patience:g} seconds")
    except OSError as error:
        return Ran(NOT_RUN, "", f"{command[0]}: {error.strerror}")
    return Ran(ran.returncode, ran.stdout, ran.stderr)
