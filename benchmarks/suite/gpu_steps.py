"""Training steps per profile, what pruning adds to a dense one, and mask updates, on one device."""

from __future__ import annotations

import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import torch

from fggp.loop import Run
from suite.ours import Ours, State, as_trained
from suite.training import BATCH, cell, dataset
from suite.work import Options, Row

PROFILES = [
    (p, layout) for p in ("bf16", "tf32", "fp32") for layout in ("channels_last", "contiguous")
]
METHODS = ("gmp", "granet", "rigl", "fggp")
STEPS, WARM = 50, 10


def wait(device: str) -> None:
    """Wait until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def milliseconds(action: Callable[[], object], device: str, times: int) -> float:
    """Return the mean time of an action that is not waited for in between."""
    wait(device)
    began = time.perf_counter()
    for _ in range(times):
        action()
    wait(device)
    return 1e3 * (time.perf_counter() - began) / times


def stepper(
    backbone: str, profile: tuple[str, str], method: str, device: str, options: Options
) -> Callable[[], None]:
    """Return one step of our loop on a device."""
    precision, layout = profile
    batch = 16 if options.tiny else BATCH
    trained = cell(backbone, batch, layout, method, options, precision=precision)
    as_trained(options.threads, precision)
    run = Run(trained, dataset(batch), torch.device(device))

    def step() -> None:
        run.step = 0
        run.train_epoch(lambda: False, lambda done, steps: None)

    return step


def steps(device: str, options: Options) -> list[Row]:
    """Return milliseconds per step, dense and with GraNet's pruner, by profile."""
    rows = []
    times, warm = (2, 1) if options.tiny else (STEPS, WARM)
    for backbone in ("vgg19", "resnet50"):
        for profile in PROFILES[:1] if options.tiny else PROFILES:
            name = f"{backbone}, {' '.join(profile)}"
            actions = {
                method: stepper(backbone, profile, method, device, options)
                for method in ("dense", "granet")
            }
            seen: dict[str, list[float]] = {method: [] for method in actions}
            for number in range(1 + options.times(5)):
                for method, action in actions.items():
                    took = milliseconds(action, device, times if number else warm)
                    if number:
                        seen[method].append(took)
            rows += [
                Row("step", name, f"ours, {method}", "ms", tuple(took))
                for method, took in seen.items()
            ]
    return rows


def updates(device: str, options: Options) -> list[Row]:
    """Return milliseconds per mask update, and whether the masks are those of the CPU."""
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
    """Write a torch.profiler trace of a few steps of both backbones, and its summary as text."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    activities += [ProfilerActivity.CUDA] if device == "cuda" else []
    out.mkdir(parents=True, exist_ok=True)
    for backbone in ("vgg19", "resnet50"):
        step = stepper(backbone, PROFILES[0], "granet", device, options)
        milliseconds(step, device, 1 if options.tiny else WARM)
        with profile(activities=activities) as seen:
            milliseconds(step, device, 1 if options.tiny else 10)
        seen.export_chrome_trace(str(out / f"trace_{backbone}.json"))
        order = "self_cuda_time_total" if device == "cuda" else "self_cpu_time_total"
        table = seen.key_averages().table(sort_by=order, row_limit=30)
        (out / f"trace_{backbone}.txt").write_text(table)
    return []
