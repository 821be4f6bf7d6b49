"""Wide residual networks for CIFAR (Zagoruyko & Komodakis 2016, arXiv 1605.07146)."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction

from torch import Tensor, nn

from fggp.models.registry import channels

STAGES = (16, 32, 64)


class PreActivationBlock(nn.Module):
    """Batch normalization, ReLU and a 3×3 convolution, all twice, with a shortcut around them.

    The shortcut of the first block of a stage is a 1×1 convolution of the input after its batch
    normalization and ReLU.

    Args:
        inputs: number of input channels.
        outputs: number of output channels.
        stride: stride of the first convolution and of the shortcut.
        first: whether it is the first block of a stage.

    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, first: bool = False) -> None:
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if first else None

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, H/stride, W/stride) of (B, inputs, H, W)."""
        active = self.relu1(self.norm1(x))
        beside = x if self.shortcut is None else self.shortcut(active)
        result: Tensor = self.conv2(self.relu2(self.norm2(self.conv1(active)))) + beside
        return result


def wide_residual_network(depth: int, factor: int, width: Fraction, classes: int) -> nn.Sequential:
    """Return WRN-depth-factor, ``depth`` = 6n + 4: three stages of n blocks, without dropout.

    Convolutions are initialized by Kaiming's rule with fan-out, the bias of the classifier with 0.

    Args:
        depth: number of convolutions, including those of shortcuts as in the paper.
        factor: factor on the 16, 32 and 64 channels of the stages; the stem has 16.
        width: another factor, on all channels.
        classes: number of outputs.

    """
    inputs, blocks = channels(STAGES[0], width), (depth - 4) // 6
    layers: dict[str, nn.Module] = {"stem": nn.Conv2d(3, inputs, 3, padding=1, bias=False)}
    for number, full in enumerate(STAGES, start=1):
        outputs = channels(full * factor, width)
        first = PreActivationBlock(inputs, outputs, 1 if number == 1 else 2, first=True)
        more = (PreActivationBlock(outputs, outputs) for _ in range(blocks - 1))
        layers[f"stage{number}"] = nn.Sequential(first, *more)
        inputs = outputs
    layers |= {"norm": nn.BatchNorm2d(inputs), "relu": nn.ReLU(inplace=True)}
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    model = nn.Sequential(OrderedDict(layers | {"classifier": nn.Linear(inputs, classes)}))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
    return model
