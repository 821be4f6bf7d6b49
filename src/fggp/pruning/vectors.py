"""Vectors over all prunable parameters, in layer order."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """Concatenate tensors by their logical index, whatever their memory layout.

    The result is on the device of the first one.
    """
    vectors = [tensor.detach().reshape(-1) for tensor in tensors]
    return torch.cat([vector.to(vectors[0].device) for vector in vectors])


def like(vector: Tensor, parameter: Tensor) -> Tensor:
    """Give a flat mask the shape, device and memory layout of a parameter."""
    mask = torch.empty_like(parameter, dtype=torch.bool)
    return mask.copy_(vector.view(parameter.shape))


def extremes(vector: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest number of a vector; NaN if it contains one."""
    least, most = torch.stack(vector.aminmax()).tolist()
    return least, most
