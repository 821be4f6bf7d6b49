"""Commands of ``python -m fggp`` inside this process, which is fast, with all that they say."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tally import HUNG, TRACEBACK, UNCLEAR, Tally

from fggp.cli import main

LIMIT = 60  # seconds; the slowest good command here takes a few


class Hung(BaseException):
    """A command took so long that it counts as endless; no handler of errors may catch it."""


@dataclass(frozen=True)
class Answer:
    """The answer of a command; ``status`` is None if it raised, with the traceback in ``err``."""

    command: str
    status: int | None
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {self.command}\nstatus {self.status}\n{self.out[-2000:]}\n{self.err[-4000:]}"

    @property
    def refused(self) -> bool:
        """Whether the command ended with status 1, as after a refusal."""
        return self.status == 1

    def judge(self, tally: Tally, told: str, *names: str) -> None:
        """Record the faults of the answer: a refusal is one line that contains ``names``."""
        if self.status is None:
            tally.fault(HUNG if "Hung" in self.err else TRACEBACK, f"{told}\n{self}")
        elif self.status not in (0, 1):
            tally.fault(UNCLEAR, f"{told}\n{self}")
        elif self.refused:
            lines = self.err.splitlines()
            good = len(lines) == 1 and lines[0].startswith("fggp: ")
            if not good or not any(name in self.err for name in names):
                tally.fault(UNCLEAR, f"{told}\n{self}")


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder, on the CPU."""
    before, device = Path.cwd(), os.environ.get("FGGP_DEVICE")
    os.chdir(folder)
    os.environ["FGGP_DEVICE"] = "cpu"
    try:
        yield
    finally:
        os.chdir(before)
        if device is None:
            del os.environ["FGGP_DEVICE"]
        else:
            os.environ["FGGP_DEVICE"] = device


def fggp(*arguments: str) -> Answer:
    """Run a command of the present folder."""
    out, err = io.StringIO(), io.StringIO()
    status: int | None = None
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _limited():
        try:
            status = main(arguments)
        except SystemExit as end:
            status = 2 if end.code is None else int(end.code)
        except (Exception, Hung):
            traceback.print_exc()
    return Answer(" ".join(["fggp", *arguments]), status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def stop(number: int, frame: Any) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
