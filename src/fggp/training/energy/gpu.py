"""The energy of a GPU's board, from NVIDIA's management library.

Source: ``nvmlDeviceGetTotalEnergyConsumption`` of the NVML API reference, millijoules since the
driver was loaded. A part of a GPU (MIG) has no separate counter.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from fggp.training.energy.meter import Reading


class Board:
    """The energy of one GPU; ``nvml`` is the module ``pynvml``, ``handle`` its handle of the GPU.

    It is shared unless NVML sees exactly one process compute on it: several of our processes, other
    users, and containers that hide processes all count as sharing.
    """

    def __init__(self, nvml: ModuleType, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle
        self._before = self._millijoules()

    def since(self) -> Reading | None:
        """Return the energy since the last call; None if it is unknown, as after a reset."""
        before, now = self._before, self._millijoules()
        self._before = now
        if before is None or now is None or now < before:
            return None
        return Reading((now - before) * 1e-3, shared=not self._alone())

    def _millijoules(self) -> int | None:
        try:
            return int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        except self._nvml.NVMLError:
            return None

    def _alone(self) -> bool:
        try:
            return len(self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)) == 1
        except self._nvml.NVMLError:
            return False


def board(uuid: str) -> Board | None:
    """Return the GPU with a UUID, as given by CUDA; None if its energy is not counted."""
    try:
        import pynvml as nvml
    except ImportError:
        return None
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        if _divided(nvml, handle):
            return None
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        return Board(nvml, handle)
    except nvml.NVMLError:
        return None


def current_board() -> Board | None:
    """Return the GPU that PyTorch uses, by its UUID, whatever its number here."""
    import torch

    try:
        uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
    except (RuntimeError, AssertionError, AttributeError):
        return None
    return board(uuid)


def _divided(nvml: ModuleType, handle: Any) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError_NotSupported:  # a GPU that cannot be divided
        return False
