"""Choosing the device that a cell trains on."""

from __future__ import annotations

import torch

from fggp.foundation.errors import Failure
from fggp.training.provenance import processor

DEVICES = ("auto", "cpu", "cuda")


def choose_device(wanted: str) -> tuple[torch.device, str]:
    """Return the device for ``auto``, ``cpu`` or ``cuda``, and its name."""
    if wanted not in DEVICES:
        raise Failure(f"device {wanted!r} is not one of {', '.join(DEVICES)}")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise Failure("no CUDA device is visible to PyTorch; train with --device cpu")
    name = torch.cuda.get_device_name() if wanted == "cuda" else processor()
    return torch.device(wanted), name
