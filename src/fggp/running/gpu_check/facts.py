"""Facts about the GPU, its driver and PyTorch, collected before training."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace

from fggp.running.doctor.context import Place
from fggp.running.doctor.devices import cpu, driver, gpus, query, sharing, torch_build
from fggp.running.doctor.finding import Finding, unchecked
from fggp.running.doctor.memory import fits_memory
from fggp.running.gpu_check.parts import Bench

Facts = dict[str, str | int | float | None]


def machine(bench: Bench) -> Iterator[Finding]:
    """Check PyTorch, and on a GPU the driver, the capability, and the requirements of sharing."""
    yield from torch_build(bench.place)
    if bench.device == "cpu":
        yield from cpu(bench.place)
        yield unchecked("gpu", "--device cpu: this only shows that the check works")
        return
    for finding in gpus(bench.place):
        if (
            not bench.place.probed.gpus
        ):  # for the doctor this is not an error, because a study may use CPUs
            fix = finding.fix or "run it on a machine with a GPU, or with --device cpu"
            yield replace(finding, state="error", fix=fix)
        else:
            yield finding
    if bench.place.probed.failure or not bench.place.probed.gpus:
        return
    yield from sharing(bench.place)
    yield from fits_memory(bench.place)


def facts(place: Place) -> Facts:
    """Return the versions and properties that decide the bits and the speed."""
    probed = place.probed
    known: Facts = {
        "python": platform.python_version(),
        "torch": probed.torch,
        "cuda": probed.cuda,
        "cudnn": probed.cudnn,
        "architectures": " ".join(probed.architectures),
    }
    if probed.gpus:
        gpu = probed.gpus[0]
        known |= {
            "gpu": gpu.name,
            "capability": ".".join(map(str, gpu.capability)),
            "memory_bytes": gpu.memory,
            "driver": driver(place) or None,
        }
    return known


def watts(place: Place) -> float | None:
    """Return the power limit of the board that trains; None if the driver does not report it."""
    model = place.probed.gpus[0].name if place.probed.gpus else ""
    answer = query(place, "power.limit", r"\d+\.\d+", model)
    return float(answer) if answer else None
