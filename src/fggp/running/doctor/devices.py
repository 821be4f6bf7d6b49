"""Checks of PyTorch on the CPU and on GPUs, and of sharing one GPU."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace

from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong
from fggp.running.doctor.torch_builds import CUDA12, CUDA13, installation, runs_on
from fggp.running.doctor.torch_probe import Gpu
from fggp.running.mps import CONTROL
from fggp.training.given_gpu import given_gpu, hides

TENSOR_CORES = (8, 0)
"""The lowest capability of a GPU that computes tf32 and bf16."""
IN_A_JOB = "run on such a node: srun --gpus=1 fggp doctor"


def torch_build(place: Place) -> Iterator[Finding]:
    """Check that PyTorch and torchvision can be imported together."""
    probed = place.probed
    if probed.failure:
        fix = "install torch and torchvision again: make setup"
        yield wrong("torch", f"cannot be used: {probed.failure}", fix)
        return
    build = f"built with CUDA {probed.cuda}" if probed.cuda else "built without CUDA"
    yield ok("torch", f"{probed.torch}, {build}")
    if probed.torchvision_trouble:
        fix = "install the versions of torch and torchvision that belong together: make setup"
        yield wrong("torchvision", probed.torchvision_trouble, fix)


def cpu(place: Place) -> Iterator[Finding]:
    """Check a training step on the CPU, and the requested threads."""
    if place.probed.failure:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if place.probed.cpu_trouble:
        fix = "install torch again: make setup"
        yield wrong("cpu", f"a training step fails: {place.probed.cpu_trouble}", fix)
        return
    threads = 1 if place.study is None else place.study.training.threads
    if cores and threads > cores and not place.on_slurm:
        fix = f"set training.threads to at most {cores}, or use a machine with more cores"
        yield warning("cpu", f"{threads} threads are requested, {cores} cores are available", fix)
    else:
        yield ok("cpu", f"a training step works; {cores} cores")


def gpus(place: Place) -> Iterator[Finding]:
    """Check a training step on every GPU, in the precision of the study."""
    probed = place.probed
    if probed.failure:
        return
    if not probed.gpus:
        yield _without(place)
    for number, gpu in enumerate(probed.gpus):
        finding = _gpu(place, f"gpu {number}", gpu)
        if number and finding.state == "error":  # trainings use the first one
            found = f"{finding.found}; not used: trainings use gpu 0"
            finding = replace(finding, state="warning", found=found)
        yield finding


def _gpu(place: Place, name: str, gpu: Gpu) -> Finding:
    """Compare one GPU with the build of PyTorch, and with the precision of the study."""
    built, capability = place.probed.architectures, ".".join(map(str, gpu.capability))
    if built and not runs_on(gpu.capability, built):
        found = f"{gpu.name}, capability {capability}: this PyTorch is built for {' '.join(built)}"
        return wrong(name, found, installation(_branch(place), gpu.capability))
    if gpu.trouble:
        fix = f"install the PyTorch for it: {installation(_branch(place), gpu.capability)}"
        return wrong(name, f"{gpu.name}: a training step fails: {gpu.trouble}", fix)
    memory = f"{gpu.free / 2**30:.1f} of {gpu.memory / 2**30:.1f} GiB free"
    found = f"{gpu.name}, capability {capability}, {memory}"
    precision = "fp32" if place.study is None else place.study.training.precision
    if precision != "fp32" and gpu.capability < TENSOR_CORES:
        fix = "set training.precision to fp32, or use an A100 or newer"
        return warning(name, f"{found}; too old for {precision}", fix)
    version = driver(place)
    return ok(name, f"{found}, a training step works{f', driver {version}' if version else ''}")


def _without(place: Place) -> Finding:
    """Report why PyTorch sees no GPU, and whether that matters."""
    listed = place.ask("nvidia-smi", "-L")
    there = listed.out if listed.status == 0 else ""
    given = given_gpu(lambda: there)
    if given or "GPU" in there:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        if hidden is not None and hides(hidden):
            found = "present, but hidden by CUDA_VISIBLE_DEVICES"
            fix = "unset CUDA_VISIBLE_DEVICES"
            return wrong("gpu", found, fix) if given else warning("gpu", found, fix)
        return _unseen(place)
    if place.on_slurm:
        return unchecked("gpu", "none on this node; jobs run on others", IN_A_JOB)
    if place.study is not None and place.study.training.precision != "fp32":
        fix = "use a machine with one; on a CPU expect days"
        return warning("gpu", f"none, but the study asks for {place.study.training.precision}", fix)
    return ok("gpu", "none; trainings use the CPU")


def _unseen(place: Place) -> Finding:
    """Report why PyTorch does not see the GPUs that the driver lists, and the build that would."""
    probed, version, branch = place.probed, driver(place), _branch(place)
    with_driver = f", with driver {version}" if version else ""
    if probed.cuda is None:
        found = f"present{with_driver}, but this PyTorch is built without CUDA"
        return wrong("gpu", found, installation(branch, _capability(place)))
    needed = CUDA13.driver if probed.cuda.startswith("13") else CUDA12.driver
    reasons = list(probed.warnings)
    if branch is None and any("driver" in it and "too old" in it for it in reasons):
        branch = needed - 1
    if branch is not None and branch < needed:
        reasons.insert(0, f"its CUDA {probed.cuda} needs driver {needed} or newer")
    reason = "; ".join(reasons) or f"its CUDA is {probed.cuda}"
    found = f"present{with_driver}, but PyTorch sees none ({reason})"
    return wrong("gpu", found, installation(branch, _capability(place)))


def driver(place: Place) -> str:
    """Return the version of NVIDIA's driver, such as 580.65.06; nothing if it is unknown."""
    return query(place, "driver_version", r"\d{3,}(\.\d+)*")


def _branch(place: Place) -> int | None:
    version = driver(place)
    return int(version.partition(".")[0]) if version else None


def _capability(place: Place) -> tuple[int, int] | None:
    """Return the capability of the oldest GPU by its driver; PyTorch may see none of them."""
    version = query(place, "compute_cap", r"\d{1,2}\.\d")
    if not version:
        return None
    major, minor = version.split(".")
    return int(major), int(minor)


def query(place: Place, field: str, pattern: str, model: str = "") -> str:
    """Return the lowest answer for a field of nvidia-smi over all GPUs; nothing without one.

    Args:
        place: subject of the examination.
        field: field as listed by ``nvidia-smi --help-query-gpu``.
        pattern: pattern of an answer, a number with dots; other answers are ignored.
        model: only GPUs of this name; PyTorch and nvidia-smi number them differently.

    """
    fields = f"name,{field}" if model else field
    asked = place.ask("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits")
    rows = asked.out.splitlines() if asked.status == 0 else []
    answers = [(name.strip(), it.strip()) for name, _, it in (row.rpartition(",") for row in rows)]
    valid = [it for name, it in answers if name == model and re.fullmatch(pattern, it)]
    return min(valid, key=lambda it: [int(part) for part in it.split(".")], default="")


def sharing(place: Place) -> Iterator[Finding]:
    """Check the requirements of several trainings on one GPU."""
    path = shutil.which(CONTROL)
    if path:
        yield ok("mps", path)
    elif place.probed.gpus:
        fix = "ask the administrators for it, or omit --config cells_per_gpu"
        yield warning("mps", f"{CONTROL} is not installed; cells of a job run one at a time", fix)
    else:
        yield unchecked("mps", "no GPU here; only --config cells_per_gpu needs it", IN_A_JOB)
