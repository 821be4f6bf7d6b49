"""The residual networks for CIFAR of He et al. 2016 (arXiv 1512.03385), section 4.2."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction

from torch import nn
from torchvision.models.resnet import BasicBlock

from fggp.models.registry import channels
from fggp.models.zero_padded_shortcut import ZeroPaddedShortcut

STAGES = (16, 32, 64)


def residual_network(depth: int, width: Fraction, classes: int) -> nn.Sequential:
    """Return the network of ``depth`` = 6n + 2 layers: three stages of n blocks.

    Shortcuts have no weights (option A of the paper, as in most published work on pruning these
    networks). Convolutions are initialized by Kaiming's rule with fan-in; the classifier has a
    bias.

    Args:
        depth: number of layers with weights.
        width: factor on the 16, 32 and 64 channels of the stages.
        classes: number of outputs.

    """
    inputs, blocks = channels(STAGES[0], width), (depth - 2) // 6
    layers: dict[str, nn.Module] = {
        "stem": nn.Conv2d(3, inputs, 3, padding=1, bias=False),
        "norm": nn.BatchNorm2d(inputs),
        "relu": nn.ReLU(inplace=True),
    }
    for number, full in enumerate(STAGES, start=1):
        outputs = channels(full, width)
        layers[f"stage{number}"] = _stage(inputs, outputs, blocks, stride=1 if number == 1 else 2)
        inputs = outputs
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    model = nn.Sequential(OrderedDict(layers | {"classifier": nn.Linear(inputs, classes)}))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
    return model


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    shortcut = ZeroPaddedShortcut(inputs, outputs, stride) if stride > 1 else None
    first = BasicBlock(inputs, outputs, stride, downsample=shortcut)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs) for _ in range(blocks - 1)))
