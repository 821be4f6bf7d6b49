"""The versions that determine the bits of a GPU training besides the code, and its GPU memory.

Source of the driver's version: ``nvmlSystemGetDriverVersion`` of the NVML API reference.
"""

from __future__ import annotations

from typing import Any

import torch

MEGABYTE = 2**20


def torch_build(device: str) -> dict[str, Any]:
    """Return the build of PyTorch for the provenance of a result.

    Args:
        device: kind of device that trained; the version of cuDNN is None on a CPU.

    """
    return {
        "version": str(torch.__version__),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device == "cuda" else None,  # type: ignore[no-untyped-call]
    }


def gpu_use(peak_mb: int | None, replayed_steps: int) -> dict[str, Any]:
    """Return how a training used its GPU, for the provenance of a result.

    Args:
        peak_mb: peak memory (MiB) that PyTorch reserved there, in any attempt.
        replayed_steps: steps of all attempts that were replayed from a CUDA graph.

    """
    return {
        "driver": driver(),
        "peak_memory_mb": peak_mb,
        "replayed_steps": replayed_steps,
    }


def driver() -> str | None:
    """Return the version of NVIDIA's driver; None if its library cannot be asked."""
    try:
        import pynvml as nvml
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        return str(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        return None


def peak_memory_mb(device: str) -> int | None:
    """Return the peak memory (MiB) that this process has reserved on its GPU; None on a CPU.

    CUDA itself takes some hundred MiB more, which PyTorch does not count.
    """
    return torch.cuda.max_memory_reserved() // MEGABYTE if device == "cuda" else None
