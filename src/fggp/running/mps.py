"""NVIDIA's Multi-Process Service, which lets several processes compute on one GPU at once."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fggp.running.commands import run

CONTROL = "nvidia-cuda-mps-control"
PIPES = "CUDA_MPS_PIPE_DIRECTORY"
SECONDS = 30
"""How long the daemon may take over one order."""
UP_SECONDS, PAUSE = 10, 0.2
"""How long it may refuse to answer after its start, and how often it is asked."""


class NoMps(Exception):  # noqa: N818 - the cells then take the GPU in turn
    """There is no service to share a GPU by; the message says why."""


@contextmanager
def mps() -> Iterator[Mapping[str, str]]:
    """Run the service for one GPU, and end it; yields the environment of the processes to share.

    A service that the site already runs for us (``CUDA_MPS_PIPE_DIRECTORY`` is set) is used as it
    is, and left alone.

    Raises:
        NoMps: where the service is not installed or does not start.

    """
    if os.environ.get(PIPES):
        yield {}
        return
    if shutil.which(CONTROL) is None:
        raise NoMps(f"{CONTROL} is not on PATH")
    # Names of sockets may not be long, so that TMPDIR is not asked.
    with tempfile.TemporaryDirectory(prefix="mps-", dir="/tmp", ignore_cleanup_errors=True) as home:
        own = {PIPES: f"{home}/pipe", "CUDA_MPS_LOG_DIRECTORY": f"{home}/log"}
        for path in own.values():
            Path(path).mkdir()
        _control(own, "-d")
        try:
            _answered(own)
            # The service numbers what it was given anew, from 0.
            yield own | {"CUDA_VISIBLE_DEVICES": "0"}
        finally:
            _end(own)


def _answered(own: Mapping[str, str]) -> None:
    """Wait until the daemon answers, which it may do only some time after it was started."""
    deadline = time.monotonic() + UP_SECONDS
    while True:
        try:
            return _control(own, entered="get_server_list\n")
        except NoMps:
            if time.monotonic() > deadline:
                raise
        time.sleep(PAUSE)


def _control(own: Mapping[str, str], *arguments: str, entered: str = "") -> None:
    ran = run([CONTROL, *arguments], SECONDS, entered=entered, environment=own)
    if ran.status:
        raise NoMps(f"{CONTROL}: {ran.complaint.removeprefix(f'{CONTROL}: ')[:200]}")


def _end(own: Mapping[str, str]) -> None:
    try:
        _control(own, entered="quit -t 5\n")
    except NoMps as error:
        print(f"the service did not end by itself ({error})")
