"""Training steps per profile, dense and pruned, and mask updates, on one device."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import torch

from fggp.foundation.user_variables import GRAPHS
from fggp.training.loop import Run
from suite.ours import Ours, State, as_trained
from suite.training import BATCH, cell, dataset
from suite.work import Options, Row

PROFILES = [
    (p, layout) for p in ("bf16", "tf32", "fp32") for layout in ("channels_last", "contiguous")
]
METHODS = ("gmp", "granet", "rigl", "fggp")
STEPS = 50
SETTING_UP = 4
"""Steps until one has been recorded."""


def wait(device: str) -> None:
    """Wait until the device has finished its work."""
    if device == "cuda":
        torch.cuda.synchronize()


def release(device: str) -> None:
    """Release the memory of finished trainings: a step and its recording reference each other."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def milliseconds(action: Callable[[], object], device: str, times: int) -> float:
    """Return the mean time of an action, repeated without waiting in between."""
    wait(device)
    began = time.perf_counter()
    for _ in range(times):
        action()
    wait(device)
    return 1e3 * (time.perf_counter() - began) / times


def epoch_of(
    backbone: str,
    profile: tuple[str, str],
    method: str,
    device: str,
    options: Options,
    *,
    graphs: bool = True,
) -> tuple[Callable[[], None], int]:
    """Return an epoch of our loop on a device, and the number of its steps."""
    precision, layout = profile
    batch, steps = (16, SETTING_UP) if options.tiny else (BATCH, STEPS)
    trained = cell(backbone, batch, layout, method, options, precision=precision)
    as_trained(options.threads, precision)
    with switched(graphs):
        run = Run(trained, dataset(batch * steps), torch.device(device))

    def epoch() -> None:
        run.step = 0
        run.train_epoch(lambda: False, lambda done, steps: None)

    return epoch, steps


@contextmanager
def switched(graphs: bool) -> Iterator[None]:
    """Disable CUDA graphs for objects made in this context, or change nothing."""
    before = os.environ.get(GRAPHS)
    if not graphs:
        os.environ[GRAPHS] = "no"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(GRAPHS, None)
        else:
            os.environ[GRAPHS] = before


def steps(device: str, options: Options) -> list[Row]:
    """Return milliseconds per step by profile: dense, pruned, and pruned without CUDA graphs."""
    rows = []
    for backbone in ("vgg19", "resnet50"):
        for profile in PROFILES[:1] if options.tiny else PROFILES:
            rows += steps_of(backbone, profile, device, options)
            release(device)
    return rows


def steps_of(backbone: str, profile: tuple[str, str], device: str, options: Options) -> list[Row]:
    """Return the rows of one profile; nothing references its trainings afterwards."""
    actions = {
        called: epoch_of(backbone, profile, method, device, options, graphs=graphs)
        for called, method, graphs in (
            ("ours, dense", "dense", True),
            ("ours, granet", "granet", True),
            ("ours, granet, without CUDA graphs", "granet", False),
        )
    }
    seen: dict[str, list[float]] = {called: [] for called in actions}
    for number in range(1 + options.times(5)):
        for called, (epoch, length) in actions.items():
            took = milliseconds(epoch, device, 1) / length
            if number:
                seen[called].append(took)
    name = f"{backbone}, {' '.join(profile)}"
    return [Row("step", name, called, "ms", tuple(took)) for called, took in seen.items()]


def updates(device: str, options: Options) -> list[Row]:
    """Return milliseconds per mask update, and whether the masks equal those of the CPU."""
    rows = []
    for label, state in {
        "from dense": State(tiny=options.tiny),
        "at 90 %": State(Fraction(1, 10), tiny=options.tiny),
        "at 50 %, many equal": State(Fraction(1, 2), tied=True, tiny=options.tiny),
    }.items():
        for method in METHODS:
            there = Ours(state, method, state.density * Fraction(9, 10), device)
            took = []
            for number in range(1 + options.times(5)):
                there.reset()
                ended = milliseconds(there.pruner.step, device, 1)
                if number:
                    took.append(ended)
            here = Ours(state, method, state.density * Fraction(9, 10))
            here.pruner.step()
            pairs = zip(here.pruner.masks.values(), there.pruner.masks.values(), strict=True)
            different = sum(int((a != b.cpu()).count_nonzero()) for a, b in pairs)
            note = f"{different} mask entries differ from the CPU's"
            rows.append(Row("mask update", label, f"ours, {method}", "ms", tuple(took), note=note))
    return rows


def trace(device: str, options: Options, out: Path) -> list[Row]:
    """Write a torch.profiler trace of some steps of both backbones, and its summary as text."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    activities += [ProfilerActivity.CUDA] if device == "cuda" else []
    out.mkdir(parents=True, exist_ok=True)
    for backbone in ("vgg19", "resnet50"):
        epoch, _ = epoch_of(backbone, PROFILES[0], "granet", device, options)
        milliseconds(epoch, device, 1)
        with profile(activities=activities) as seen:
            milliseconds(epoch, device, 1)
        seen.export_chrome_trace(str(out / f"trace_{backbone}.json"))
        order = "self_cuda_time_total" if device == "cuda" else "self_cpu_time_total"
        table = seen.key_averages().table(sort_by=order, row_limit=30)
        (out / f"trace_{backbone}.txt").write_text(table)
        del epoch
        release(device)
    return []
