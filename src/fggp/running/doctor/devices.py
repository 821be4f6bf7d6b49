"""PyTorch on the CPU and on GPUs, and what several trainings on one GPU need."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong
from fggp.running.mps import CONTROL
from fggp.training.given_gpu import given_gpu, hides

TENSOR_CORES = (8, 0)
"""The least capability of a GPU that computes tf32 and bf16."""
IN_A_JOB = "look on such a node: srun --gpus=1 python -m fggp doctor"


def torch_build(place: Place) -> Iterator[Finding]:
    """Check that PyTorch and torchvision can be imported together."""
    probed = place.probed
    if probed.failure:
        fix = "install torch and torchvision anew: make setup"
        yield wrong("torch", f"cannot be used: {probed.failure}", fix)
        return
    build = f"built with CUDA {probed.cuda}" if probed.cuda else "built without CUDA"
    yield ok("torch", f"{probed.torch}, {build}")
    if probed.torchvision_trouble:
        fix = "install the versions of torch and torchvision that belong together: make setup"
        yield wrong("torchvision", probed.torchvision_trouble, fix)


def cpu(place: Place) -> Iterator[Finding]:
    """Check a training step on the CPU, and the threads asked for."""
    if place.probed.failure:
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if place.probed.cpu_trouble:
        fix = "install torch anew: make setup"
        yield wrong("cpu", f"a training step fails: {place.probed.cpu_trouble}", fix)
        return
    threads = 1 if place.study is None else place.study.training.threads
    if cores and threads > cores and not place.on_slurm:
        fix = f"set training.threads to at most {cores}, or train where there are more"
        yield warning("cpu", f"{threads} threads are asked of {cores} cores", fix)
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
        name, capability = f"gpu {number}", ".".join(map(str, gpu.capability))
        memory = f"{gpu.free / 2**30:.1f} of {gpu.memory / 2**30:.1f} GiB free"
        found = f"{gpu.name}, capability {capability}, {memory}"
        precision = "fp32" if place.study is None else place.study.training.precision
        if gpu.trouble:
            fix = "install a PyTorch built for this GPU and driver, or train with --device cpu"
            yield wrong(name, f"{gpu.name}: a training step fails: {gpu.trouble}", fix)
        elif precision != "fp32" and gpu.capability < TENSOR_CORES:
            fix = "set training.precision to fp32, or take an A100 or newer"
            yield warning(name, f"{found}; too old for {precision}", fix)
        else:
            yield ok(name, f"{found}, a training step works{_driver(place)}")


def _driver(place: Place) -> str:
    asked = place.ask("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    versions = asked.out.split() if asked.status == 0 else []
    return f", driver {versions[0]}" if versions else ""


def _without(place: Place) -> Finding:
    """Say why PyTorch sees no GPU, and whether that matters."""
    probed, listed = place.probed, place.ask("nvidia-smi", "-L")
    there = listed.out if listed.status == 0 else ""
    given = given_gpu(lambda: there)
    if given or "GPU" in there:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        if hidden is not None and hides(hidden):
            found = "there are some, and CUDA_VISIBLE_DEVICES hides them"
            fix = "unset CUDA_VISIBLE_DEVICES"
            return wrong("gpu", found, fix) if given else warning("gpu", found, fix)
        if probed.cuda is None:
            fix = "install a PyTorch built with CUDA: make setup on Linux"
            return wrong("gpu", "there are some, and this PyTorch is built without CUDA", fix)
        reason = "; ".join(probed.warnings) or f"its CUDA is {probed.cuda}"
        fix = "update the driver, or install a PyTorch built for an older CUDA"
        return wrong("gpu", f"there are some, and PyTorch sees none ({reason})", fix)
    if place.on_slurm:
        return unchecked("gpu", "none here, they are on other nodes", IN_A_JOB)
    if place.study is not None and place.study.training.precision != "fp32":
        fix = "train where there is one; on a CPU expect days"
        return warning("gpu", f"none, and {place.study.training.precision} is asked for", fix)
    return ok("gpu", "none; trainings use the CPU")


def sharing(place: Place) -> Iterator[Finding]:
    """Check what several trainings on one GPU need."""
    path = shutil.which(CONTROL)
    if path:
        yield ok("mps", path)
    elif place.probed.gpus:
        fix = "ask the administrators for it, or leave --config cells_per_gpu out"
        yield warning("mps", f"{CONTROL} is not there; cells of one job would take turns", fix)
    else:
        yield unchecked("mps", "no GPU here; needed by --config cells_per_gpu alone", IN_A_JOB)
