"""Several cells in one allocation: at once on its cores, or on its one GPU.

Small networks leave most of a large GPU idle. With MPS several processes share the GPU well;
without it, cells run one at a time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from fggp.running.commands import TIMED_OUT, run
from fggp.running.mps import Limits, NoMps, mps
from fggp.running.signals import stopping
from fggp.running.workers import Ended, Workers
from fggp.training.given_gpu import VISIBLE, hides

if TYPE_CHECKING:
    from fggp.running.workers import Task


def share(tasks: Sequence[Task], device: str, limits: Limits | None = None) -> Ended:
    """Train tasks in parallel, each in its own process on its own cores.

    Args:
        tasks: tasks to train.
        device: ``auto``, ``cpu`` or ``cuda``.
        limits: time limits of NVIDIA's programs.

    """
    limits = limits or Limits()
    # From here on, a signal is a request, so that it cannot leave the service behind.
    with stopping() as stop:
        if device == "cpu" or (device == "auto" and not has_gpu(limits.listing)):
            return _train(tasks, len(tasks), device, {}, stop)
        try:
            with mps(stop, limits) as environment:
                return _train(tasks, len(tasks), device, environment, stop)
        except NoMps as error:
            print(
                f"the cells run one at a time: sharing the GPU needs MPS, and {error}", flush=True
            )
        return _train(tasks, 1, device, {}, stop)


def has_gpu(seconds: float = Limits.listing) -> bool:
    """Whether the driver shows a GPU to this process; importing PyTorch would cost seconds.

    A driver that does not answer within ``seconds`` has a broken GPU, rather than none.
    """
    visible = os.environ.get(VISIBLE)
    if visible is not None and hides(visible):
        return False
    listed = run(["nvidia-smi", "-L"], seconds)
    return listed.status == TIMED_OUT or (listed.status == 0 and "GPU" in listed.out)


def cores_of(jobs: int) -> list[set[int]]:
    """Divide the cores of this process among ``jobs``; empty if there are fewer than jobs.

    Processes that share a GPU are slower than a single one if they also move over the same cores.
    """
    if not hasattr(os, "sched_getaffinity"):  # macOS has no such call
        return []
    cores = sorted(os.sched_getaffinity(0))
    size = len(cores) // jobs
    return [set(cores[i * size : (i + 1) * size]) for i in range(jobs)] if size else []


def _train(
    tasks: Sequence[Task],
    jobs: int,
    device: str,
    environment: Mapping[str, str],
    stop: Callable[[], bool],
) -> Ended:
    workers = Workers(
        jobs,
        math.inf,
        device,
        stop=stop,
        cores=cores_of(jobs),
        environment=environment,
    )
    return workers.train(tasks)
