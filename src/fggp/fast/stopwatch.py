"""Milliseconds of a network, in several ways that take turns."""

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
    """How long one batch takes one contender.

    Attributes:
        contender: one of `fggp.fast.contenders.NAMES`.
        batch: images.
        threads: of the contender.
        least: milliseconds of the fastest round.
        median: of all rounds.
        rounds: how many.
        clock: ``cpu`` where the time of the processor was taken, with one thread: other processes
            disturb it less; ``wall`` with several.

    """

    contender: str
    batch: int
    threads: int
    least: float
    median: float
    rounds: int
    clock: str


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
    """Measure a network in all ways that there are here.

    In each round every contender is called once for nothing, and then timed, so that what disturbs
    a machine for a while falls on all of them.

    Args:
        model: in evaluation mode, on the CPU.
        image: the shape of one image.
        batches: numbers of images in a call.
        threads: numbers of threads.
        rounds: of each combination of these two.
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
    clock = time.process_time if threads == 1 else time.perf_counter
    repeats = REPEATS.get(len(batch), 1)
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call(batch)
            start = clock()
            for _ in range(repeats):
                call(batch)
            taken[name].append(1000 * (clock() - start) / repeats)
        tick()
    word = "cpu" if threads == 1 else "wall"
    return [
        Time(name, len(batch), threads, min(each), median(each), rounds, word)
        for name, each in taken.items()
    ]


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
