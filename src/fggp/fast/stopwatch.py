"""Milliseconds of a network, computed in several ways alternately."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn

from fggp.fast.contenders import Contender, contenders

BATCHES = (1, 32)
ROUNDS = 7
REPEATS = {1: 3}
"""Calls that are timed together, by batch size; one for all others."""


@dataclass(frozen=True)
class Time:
    """The time of one batch for one contender.

    Attributes:
        contender: one of `fggp.fast.contenders.NAMES`.
        batch: images in a call.
        threads: threads of the contender.
        wall: wall-clock milliseconds of each round.
        cpu: processor milliseconds of each round, summed over all threads.

    """

    contender: str
    batch: int
    threads: int
    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def clock(self) -> str:
        """The clock used: ``cpu`` for one thread, since it is disturbed less, else ``wall``."""
        return "cpu" if self.threads == 1 else "wall"

    @property
    def samples(self) -> tuple[float, ...]:
        """Milliseconds of each round by that clock."""
        return self.cpu if self.threads == 1 else self.wall

    @property
    def least(self) -> float:
        """Milliseconds of the fastest round."""
        return min(self.samples)

    @property
    def median(self) -> float:
        """Milliseconds of the median round."""
        return median(self.samples)


def cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def times(
    model: nn.Module,
    image: tuple[int, ...],
    *,
    batches: tuple[int, ...] = BATCHES,
    threads: tuple[int, ...] = (1,),
    rounds: int = ROUNDS,
    tick: Callable[[], None] = lambda: None,
) -> list[Time]:
    """Measure a network in all ways available here.

    In each round every contender is timed once, so that temporary disturbances of a machine affect
    all of them. A single image is first computed once without timing, so that its weights are
    cached.

    Args:
        model: in evaluation mode, on the CPU.
        image: the shape of one image.
        batches: numbers of images in a call.
        threads: numbers of threads.
        rounds: number of rounds for each combination of these two.
        tick: called after each round.

    Raises:
        CompileError: where ours cannot compute the model.

    """
    found = []
    for size in batches:
        batch = torch.randn(size, *image, generator=torch.Generator().manual_seed(0))
        for count in threads:
            with _torch_threads(count), torch.inference_mode():
                calls = contenders(model, batch, count)
                found += _rounds(calls, batch, count, rounds, tick)
    return found


def _rounds(
    calls: dict[str, Contender],
    batch: torch.Tensor,
    threads: int,
    rounds: int,
    tick: Callable[[], None],
) -> list[Time]:
    repeats = REPEATS.get(len(batch), 1)
    wall: dict[str, list[float]] = {name: [] for name in calls}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        for name, call in calls.items():
            if number == 0 or len(batch) == 1:
                call(batch)
            start, used = time.perf_counter(), time.process_time()
            for _ in range(repeats):
                call(batch)
            used, start = time.process_time() - used, time.perf_counter() - start
            wall[name].append(1000 * start / repeats)
            cpu[name].append(1000 * used / repeats)
        tick()
    return [Time(name, len(batch), threads, tuple(wall[name]), tuple(cpu[name])) for name in calls]


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
