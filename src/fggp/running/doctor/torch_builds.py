"""The build of PyTorch that a GPU and its driver need, and the command that installs it."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

Capability = tuple[int, int]


@dataclass(frozen=True)
class TorchBuild:
    """A build of PyTorch that this project is locked with.

    Sources: NVIDIA, "CUDA compatibility" (the oldest drivers of CUDA 12 and 13, by minor-version
    compatibility), and ``torch.cuda.get_arch_list()`` of both builds.

    Attributes:
        make: argument of ``make setup``.
        pip: packages, for environments not made by make.
        conda: CUDA version that conda has to assume if it sees no GPU.
        driver: oldest branch of NVIDIA's driver.
        capability: lowest capability of a GPU.

    """

    make: str
    pip: str
    conda: str
    driver: int
    capability: Capability


CUDA13 = TorchBuild("CUDA=13", "torch torchvision", "13.0", 580, (7, 5))
CUDA12 = TorchBuild("CUDA=12", "torch==2.10.0 torchvision==0.25.0", "12.8", 525, (7, 0))


def build_for(driver: int | None, capability: Capability | None) -> TorchBuild | None:
    """Return the newest build that runs on a GPU; None if there is none.

    An argument that is None is unknown and excludes nothing.
    """
    for build in (CUDA13, CUDA12):
        new_enough = driver is None or driver >= build.driver
        if new_enough and (capability is None or capability >= build.capability):
            return build
    return None


def installation(
    driver: int | None, capability: Capability | None, prefix: Path | None = None
) -> str:
    """Return the command that installs the build for a GPU, or what to do if there is none.

    Args:
        driver: branch of NVIDIA's driver, such as 580; None: unknown.
        capability: capability of the GPU; None: unknown.
        prefix: folder of the environment; None: the current one.

    """
    build = build_for(driver, capability)
    if build is None:
        return _without_build(capability)
    prefix = Path(sys.prefix) if prefix is None else prefix
    if (prefix / "conda-meta").is_dir():
        override = f"CONDA_OVERRIDE_CUDA={build.conda}"
        return (
            f"{override} conda install --channel conda-forge pytorch-gpu; for a new environment: "
            f"{override} conda env create --file environment.yml"
        )
    if prefix.name.startswith(".venv"):
        return f"make setup {build.make}"
    return f"pip install --upgrade {build.pip}; with make: make setup {build.make}"


def runs_on(capability: Capability, architectures: Collection[str]) -> bool:
    """Whether a build has kernels for a GPU.

    Args:
        capability: capability of the GPU.
        architectures: list as from ``torch.cuda.get_arch_list()``: "sm_80" is machine code, which
            runs on the same major number with at least the same minor number, and "compute_80" is
            compiled for any newer GPU by the driver.

    """
    for architecture in architectures:
        matched = re.match(r"(sm|compute)_(\d+)(\d)", architecture)
        if matched is None:
            continue
        built = int(matched[2]), int(matched[3])
        if built <= capability and (matched[1] == "compute" or built[0] == capability[0]):
            return True
    return False


def _without_build(capability: Capability | None) -> str:
    if capability is not None and capability < CUDA12.capability:
        return "not supported: use a V100 (capability 7.0) or a newer GPU, or --device cpu"
    return f"update the driver to {CUDA12.driver} or newer, or train with --device cpu"
