"""A summary of the outputs for held-out images, used to recognize a failed training."""

from __future__ import annotations

import torch
from torch import Tensor

EQUAL = 1e-6
"""Relative difference up to which outputs count as equal; two batch sizes differ by less."""


class OutputSummary:
    """Accumulates the outputs of a network over all held-out images.

    Args:
        classes: number of outputs.
        device: device of the outputs.

    """

    def __init__(self, classes: int, device: torch.device) -> None:
        self._classes = torch.arange(classes, device=device)
        self._named = torch.zeros(classes, dtype=torch.bool, device=device)
        self._low = torch.full((classes,), torch.inf, device=device)
        self._high = -self._low

    def take(self, outputs: Tensor, best: Tensor) -> None:
        """Add the outputs for some images, (n, classes), and the predicted classes, (n,)."""
        self._named |= (best.unsqueeze(1) == self._classes).any(0)
        self._low = torch.minimum(self._low, outputs.amin(0).float())
        self._high = torch.maximum(self._high, outputs.amax(0).float())

    @property
    def named(self) -> int:
        """The number of different classes that were predicted."""
        return int(self._named.sum())

    @property
    def constant(self) -> bool:
        """Whether every output was the same for all images; not so for NaN."""
        size = torch.maximum(self._low.abs(), self._high.abs())
        return bool((self._high - self._low <= EQUAL * size).all())
