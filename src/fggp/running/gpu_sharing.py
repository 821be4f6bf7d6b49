"""Several cells in one allocation: at once on its cores, or on its one GPU.

Small networks leave most of a large GPU idle. Processes share it well through MPS; without it they
only wait for each other, so that they then take it in turn.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fggp.running.mps import NoMps, mps
from fggp.running.signals import stopping
from fggp.running.workers import Ended, Workers

if TYPE_CHECKING:
    from fggp.running.workers import Task


def share(tasks: Sequence[Task], device: str) -> Ended:
    """Train tasks at once, each in a process of its own with cores of its own.

    Args:
        tasks: what to train.
        device: ``auto``, ``cpu`` or ``cuda``.

    """
    if device == "cpu" or (device == "auto" and not has_gpu()):
        return _train(tasks, len(tasks), device, {})
    try:
        with mps() as environment:
            return _train(tasks, len(tasks), device, environment)
    except NoMps as error:
        print(f"the cells take the GPU in turn: sharing it needs MPS, and {error}", flush=True)
        return _train(tasks, 1, device, {})


def has_gpu() -> bool:
    """Whether the driver shows a GPU to this process; importing PyTorch would cost seconds."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not shutil.which("nvidia-smi"):
        return False
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and "GPU" in listed.stdout


def cores_of(jobs: int) -> list[set[int]]:
    """Divide the cores of this process among ``jobs``; empty where there are fewer than jobs.

    Processes that share a GPU fall behind a single one when they also wander over the same cores.
    """
    if not hasattr(os, "sched_getaffinity"):  # macOS has no such call
        return []
    cores = sorted(os.sched_getaffinity(0))
    size = len(cores) // jobs
    return [set(cores[i * size : (i + 1) * size]) for i in range(jobs)] if size else []


def _train(tasks: Sequence[Task], jobs: int, device: str, environment: Mapping[str, str]) -> Ended:
    with stopping() as stop:
        workers = Workers(
            jobs,
            math.inf,
            device,
            stop=stop,
            cores=cores_of(jobs),
            environment=environment,
        )
        return workers.train(tasks)
