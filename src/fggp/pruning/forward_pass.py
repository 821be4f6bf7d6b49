"""What a mask update reads of the forward pass before it: the dense gradient, or a mean of some."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor, nn

from fggp.pruning.parameters import extremes, flat


class ForwardPass:
    """The gradient that an update reads, and the earlier ones that it is the mean of.

    Args:
        parameters: the prunable tensors, in layer order.

    Attributes:
        earlier: (N,) finite gradients of the last steps, where updates read a mean.

    """

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters
        self.earlier: list[Tensor] = []

    def gradient(self, steps: int) -> Tensor | None:
        """Return the (N,) gradient of the last step, or its mean over so many finite ones.

        None where a parameter has none. A gradient that is not finite is returned as it is.
        """
        gradients = [p.grad.to_dense() for p in self._parameters if p.grad is not None]
        if len(gradients) < len(self._parameters):
            return None
        last = flat(gradients)
        if steps == 1 or not all(isfinite(end) for end in extremes(last)):
            return last
        self.earlier = [*self.earlier, last][-steps:]
        return torch.stack(self.earlier).mean(0)

    def forget(self) -> None:
        """Begin a new mean, after an update."""
        self.earlier = []

    def load(self, earlier: Sequence[Tensor]) -> None:
        """Take over the gradients of a saved state."""
        self.earlier = [gradient.to(self._parameters[0].device) for gradient in earlier]
