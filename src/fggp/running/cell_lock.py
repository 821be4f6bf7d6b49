"""The lock of a cell: only one process trains it, and others wait."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fggp.foundation.errors import Failure
from fggp.foundation.files import write_text
from fggp.running.slurm_allocation import job_id

POLL_SECONDS = 1.0
GLANCE_SECONDS = 0.5  # longer than one call of `holder` takes


@contextmanager
def locked(out: Path, *, patience: float = 0) -> Iterator[None]:
    """Lock the cell whose result is ``out``.

    Args:
        out: result file; lock and owner file are next to it.
        patience: seconds to wait for another process that holds the lock.

    Raises:
        Failure: if another process holds the lock for longer; the message names the process.

    """
    lock, owner = FileLock(_lock_path(out)), _owner_path(out)
    try:
        lock.acquire(timeout=GLANCE_SECONDS, poll_interval=GLANCE_SECONDS / 5)
    except Timeout:
        who = _owner(out)
        if patience <= 0:
            raise Failure(f"{out}: {who} is training this cell; wait for it, or stop it") from None
        print(f"{out}: {who} is training this cell; waiting for it", file=sys.stderr, flush=True)
        try:
            lock.acquire(timeout=patience, poll_interval=POLL_SECONDS)
        except Timeout:
            raise Failure(
                f"{out}: {who} is still training this cell; stop it, and run again"
            ) from None
    try:
        job = job_id()
        slurm = f" (Slurm job {job})" if job else ""
        write_text(owner, f"process {os.getpid()} on {platform.node()}{slurm}\n")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def holder(out: Path) -> str | None:
    """Return the process that is training the cell with the result ``out``, or None.

    A process of another user is assumed to be alive while its owner file exists.
    """
    if not _owner_path(out).exists():
        return None
    try:
        with FileLock(_lock_path(out), timeout=0):
            return None  # the owner was killed
    except (Timeout, OSError):  # the lock of another user cannot be opened
        return _owner(out)


def _owner(out: Path) -> str:
    try:
        return _owner_path(out).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):  # it may just have ended
        return "another process"


def _lock_path(out: Path) -> Path:
    return out.with_name(f".{out.stem}.lock")


def _owner_path(out: Path) -> Path:
    return out.with_name(f".{out.stem}.owner")
