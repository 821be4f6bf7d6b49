"""Contenders side by side: each in its own process, one run of each in every round."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from suite.work import Factory, LeftOut, Row

# Forked from a server that has imported torch and nothing else, which takes seconds each time.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["torch._dynamo"])
PEAK = "peak memory"


@dataclass(frozen=True)
class Sample:
    """One run: seconds of wall clock, seconds of CPU time over all threads, and peak bytes."""

    wall: float
    cpu: float
    peak: int


class Worker:
    """A process that makes a contender once and runs it on request."""

    def __init__(self, factory: Factory, threads: int) -> None:
        self._pipe, other = SERVER.Pipe()
        self._process = SERVER.Process(target=_serve, args=(other, factory, threads), daemon=True)
        self._process.start()
        other.close()

    def ready(self) -> None:
        """Wait until it is made; raise LeftOut if that is not possible here."""
        self._ask(None)

    def run(self) -> Sample:
        """Reset the contender and run it once."""
        self._pipe.send("run")
        sample: Sample = self._ask(Sample)
        return sample

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(30)
        self._process.kill()

    def _ask(self, expected: type | None) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            self._process.join(30)
            raise RuntimeError(f"a contender died: {self._process.exitcode}") from None
        if isinstance(answer, LeftOut):
            raise answer
        if isinstance(answer, str):
            raise RuntimeError(f"a contender failed:\n{answer}")
        assert expected is None or isinstance(answer, expected)
        return answer


def _serve(pipe: Connection, factory: Factory, threads: int) -> None:
    # Some contenders print; only the table may be printed here.
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    try:
        import torch

        torch.set_num_threads(threads)
        work = factory()
        pipe.send(None)
        while pipe.recv() == "run":
            work.reset()
            wall, cpu = time.perf_counter(), time.process_time()
            work.run()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            pipe.send(Sample(wall, cpu, _peak()))
    except LeftOut as why:
        pipe.send(why)
    except EOFError:
        return
    except Exception:
        pipe.send(traceback.format_exc())


def _peak() -> int:
    kept = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kept if sys.platform == "darwin" else kept * 1024


def side_by_side(
    benchmark: str,
    case: str,
    contenders: Mapping[str, Factory],
    *,
    rounds: int,
    threads: int,
    unit: str = "ms",
    scale: float = 1e3,
    warm: int = 1,
    memory: bool = False,
) -> list[Row]:
    """Measure contenders against each other, and return one row each.

    Args:
        benchmark: name in the rows.
        case: name in the rows.
        contenders: ours first; each is made in its own process.
        rounds: number of rounds that are kept; the order of the contenders rotates between them.
        threads: number of threads of each process.
        unit: unit of the rows.
        scale: length of a second in that unit.
        warm: number of rounds before them that are not kept.
        memory: whether to add a row with the peak memory of each process.

    """
    samples: dict[str, list[Sample]] = {}
    why: dict[str, str] = {}
    with ExitStack() as stack:
        workers = {}
        for name, factory in contenders.items():
            workers[name] = Worker(factory, threads)
            stack.callback(workers[name].close)
        for name, worker in workers.items():
            try:
                worker.ready()
            except LeftOut as reason:
                why[name] = str(reason)
        present = [name for name in workers if name not in why]
        for number in range(warm + rounds):
            turn = number % len(present)
            for name in (*present[turn:], *present[:turn]):
                sample = workers[name].run()
                if number >= warm:
                    samples.setdefault(name, []).append(sample)
    rows = []
    for name in contenders:
        wall = tuple(sample.wall * scale for sample in samples.get(name, []))
        cpu = tuple(sample.cpu * scale for sample in samples.get(name, []))
        rows.append(Row(benchmark, case, name, unit, wall, cpu, why.get(name, "")))
    if memory:
        rows += [
            Row(PEAK, case, name, "MB", (max(sample.peak for sample in samples[name]) / 1e6,))
            for name in present
        ]
    return rows
