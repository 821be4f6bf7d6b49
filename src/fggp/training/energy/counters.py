"""The counter of the device that trains."""

from __future__ import annotations

from fggp.training.energy.cpu import packages
from fggp.training.energy.gpu import board
from fggp.training.energy.meter import Counter


def counter_of(kind: str) -> Counter | None:
    """Return what counts the energy of ``cpu`` or ``cuda``; None where nothing does.

    Of a CPU these are the processor packages of the machine, of CUDA the board that PyTorch uses.
    """
    if kind == "cpu":
        return packages()
    import torch

    try:  # its own identity, whatever CUDA_VISIBLE_DEVICES numbers it
        uuid = str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
    except (RuntimeError, AssertionError, AttributeError):
        return None
    return board(uuid)
