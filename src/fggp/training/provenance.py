"""Provenance of a result: place, time and software; it never enters a comparison."""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fggp.foundation.python_files import source_of
from fggp.methods.plugins import plugin_files
from fggp.models.open_networks import network_files

PACKAGES = ("fggp", "numpy", "torch", "torchvision")
TRAINS = {"foundation", "pruning", "methods", "models", "data", "study", "training"}
BESIDE = {
    *("foundation/docstrings", "foundation/errors", "foundation/files", "foundation/quantities"),
    *("foundation/validation", "methods/plugins"),
    *("data/sizes", "pruning/sparsify"),
    *(
        "study/cell_name",
        "study/config",
        "study/config_limits",
        "study/costs",
        "study/dependencies",
        "study/gpu_measurements",
    ),
    "study/latency_file",
    *("study/outcome", "study/result_file", "study/stored_results", "study/study_folder"),
    "study/yaml_files",
    *("training/device", "training/energy", "training/given_gpu", "training/gpu_use"),
    *("training/malloc", "training/provenance", "training/speed"),
}
"""Files and folders of these packages that cannot change a training: they write messages, plan,
store results or measure."""


def now() -> str:
    """Return the current time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def provenance(
    *,
    started: str,
    seconds: float,
    device: str,
    devices: Sequence[str],
    torch_build: Mapping[str, Any],
    gpu: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the provenance block of a training that ends now.

    Args:
        started: time at which this process began the cell.
        seconds: time spent on the cell, including earlier attempts that were resumed.
        device: "cpu" or "cuda".
        devices: the names of all devices that trained, in order; the last one trains now.
        torch_build: build of this process, see `fggp.training.gpu_use.torch_build`.
        gpu: its use, see `fggp.training.gpu_use.gpu_use`; None on a CPU.

    """
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "started": started,
        "finished": now(),
        "seconds": round(seconds, 3),
        "peak_memory_mb": peak // (2**20 if sys.platform == "darwin" else 2**10),
        "device": device,
        "device_name": devices[-1],
        "device_names": list(devices),
        "host": {
            "system": platform.system(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
        },
        "versions": {"python": platform.python_version()} | _versions(),
        "torch_build": dict(torch_build),
        "gpu": None if gpu is None else dict(gpu),
        "code_sha256": code_digest(),
    }


def code_digest() -> str:
    """Return the digest of the source files that determine the result of a training.

    These include files of methods and networks from outside the package, if a study names any, as
    they were when this process imported them.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        beside = {"/".join(relative.with_suffix("").parts[:2])} & BESIDE
        if relative.parts[0] in TRAINS and not beside:
            digest.update(relative.as_posix().encode() + b"\0" + path.read_bytes())
    for path in (*plugin_files(), *network_files()):
        digest.update(path.name.encode() + b"\0" + source_of(path))
    return digest.hexdigest()


def processor() -> str:
    """Return the name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree
            found[package] = "not installed"
    return found
