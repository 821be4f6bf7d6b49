"""System commands and their outcomes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from fggp.running.signals import uninterrupted

TIMED_OUT, NOT_RUN = 124, 127
"""The status of a command that took too long, and of one that cannot be run, as in a shell."""
KILL_SECONDS = 5.0
"""Time limit for the end of a killed command, which may hang in a broken driver."""


class Ran(NamedTuple):
    """The outcome of a command: status, output and error output."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All of its output on one line."""
        return " ".join(f"{self.out} {self.err}".split())

    @property
    def complaint(self) -> str:
        """The reason for its failure, on one line."""
        text = " ".join((self.err or self.out).split())
        return text or f"exit status {self.status}"


def run(
    command: Sequence[str],
    patience: float,
    *,
    entered: str = "",
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run a command for at most ``patience`` seconds; never raises.

    Its output goes to files and not to pipes, because a process that the command leaves behind
    could keep a pipe open. It runs in a separate session, so that Ctrl-C in a terminal does not
    reach it, and its children are killed with it.

    Args:
        command: program and arguments.
        patience: seconds after which it is killed, with the status `TIMED_OUT`.
        entered: standard input.
        environment: variables in addition to those of this process.

    """
    try:
        with _file() as given, _file() as out, _file() as err:
            given.write(entered.encode())
            given.seek(0)
            status = _status(command, (given, out, err), os.environ | (environment or {}), patience)
            if status is None:
                late = f"{command[0]} did not answer within {patience:g} seconds"
                return Ran(TIMED_OUT, "", late)
            return Ran(status, _text(out), _text(err))
    except OSError as error:
        return Ran(NOT_RUN, "", f"{command[0]}: {error.strerror}")


@contextmanager
def if_killed(script: str, environment: Mapping[str, str]) -> Iterator[None]:
    """Have a shell run a script if this process is killed, or ends otherwise, before the context.

    The shell waits for the end of a pipe whose other end is open only in this process.
    """
    with uninterrupted():
        shell = subprocess.Popen(
            ["sh", "-c", f'trap "" HUP INT TERM USR1; read -r never || {{ {script}; }}'],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | environment,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with shell:  # closes the pipe and waits, after the shell can no longer run the script
            shell.kill()


def _file() -> IO[bytes]:
    """Open an empty file, in memory if possible, so that a full disk does not matter."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("output"), "w+b")
    return TemporaryFile()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _status(
    command: Sequence[str],
    files: tuple[IO[bytes], IO[bytes], IO[bytes]],
    environment: Mapping[str, str],
    patience: float,
) -> int | None:
    """Run a command to its end and return its exit status; None if it had to be killed."""
    given, out, err = files
    process = None
    try:
        with uninterrupted():  # an interruption during its start would leave it behind
            process = subprocess.Popen(
                command,
                stdin=given,
                stdout=out,
                stderr=err,
                env=environment,
                start_new_session=True,
            )
        return process.wait(patience)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process is not None and process.poll() is None:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILL_SECONDS)
