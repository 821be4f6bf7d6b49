"""The shortcut without weights between stages of a residual network, option A of He et al. 2016."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class ZeroPaddedShortcut(nn.Module):
    """Every ``stride``-th pixel of all channels, with channels of zeros before and after them.

    Args:
        inputs: number of input channels.
        outputs: number of output channels, at least that of the inputs.
        stride: distance of the pixels that are taken, in both directions.

    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.inputs, self.outputs, self.stride = inputs, outputs, stride
        self.before = (outputs - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H/stride, W/stride) of (B, inputs, H, W)."""
        taken = x[:, :, :: self.stride, :: self.stride]
        behind = self.outputs - self.inputs - self.before
        return functional.pad(taken, (0, 0, 0, 0, self.before, behind))

    def extra_repr(self) -> str:
        """Return the arguments, for print."""
        return f"{self.inputs}, {self.outputs}, stride={self.stride}"
