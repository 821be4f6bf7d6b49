"""The energy of a GPU's board, from NVIDIA's management library.

Source: ``nvmlDeviceGetTotalEnergyConsumption`` of the NVML API reference, millijoules since the
driver was loaded. A part of a GPU (MIG) has no counter of its own.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from fggp.training.energy.meter import Joules
from fggp.training.energy.sharing import Neighbours, folder_of


class Board:
    """The energy of one GPU, divided equally among the trainings of ours that use it.

    Args:
        nvml: the module ``pynvml``.
        handle: of the GPU in it.
        neighbours: the trainings that use it.

    """

    def __init__(self, nvml: ModuleType, handle: Any, neighbours: Neighbours) -> None:
        self.nvml, self.handle, self.neighbours = nvml, handle, neighbours
        self._before = self._millijoules()

    def since(self) -> Joules | None:
        """Return the energy since the last call; None where it is not known, as after a reset."""
        before, now = self._before, self._millijoules()
        self._before = now
        if before is None or now is None or now < before:
            return None
        try:
            among = self.neighbours.count()
        except OSError:
            return None
        risen = (now - before) * 1e-3
        return Joules(risen / among, risen)

    def _millijoules(self) -> int | None:
        try:
            return int(self.nvml.nvmlDeviceGetTotalEnergyConsumption(self.handle))
        except self.nvml.NVMLError:
            return None


def board(uuid: str, folder: Path | None = None) -> Board | None:
    """Return the GPU of that UUID, as CUDA has it; None where its energy is not counted.

    ``folder`` says who else uses it; by default it is one that all processes of a user share.
    """
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
        return Board(nvml, handle, Neighbours(folder or folder_of(uuid)))
    except (nvml.NVMLError, OSError):
        return None


def _divided(nvml: ModuleType, handle: Any) -> bool:
    try:
        return bool(nvml.nvmlDeviceGetMigMode(handle)[0])
    except nvml.NVMLError_NotSupported:  # a GPU that cannot be
        return False
