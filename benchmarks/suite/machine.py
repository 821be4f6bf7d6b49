"""The machine of the measurements."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from fggp.training.provenance import code_digest, processor

PACKAGES = ("torch", "torchvision", "numpy", "snakemake")


def load() -> str:
    """Return the load of the machine over one and five minutes."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} {five:.1f}"


def machine(threads: int) -> dict[str, str]:
    """Return the facts needed to judge the numbers, recorded before the first measurement."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "cores": str(os.cpu_count()),
        "threads": str(threads),
        "memory_gb": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f}",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": load(),
        "code_sha256": code_digest(),
    } | {package: _version(package) for package in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
