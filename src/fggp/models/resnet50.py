"""ResNet-50 for small images, as GraNet trains it on CIFAR, from torchvision's blocks."""

from collections import OrderedDict
from fractions import Fraction

from torch import nn
from torchvision.models.resnet import Bottleneck

from fggp.models.registry import backbone, channels

STAGES = (64, 3), (128, 4), (256, 6), (512, 3)


@backbone()
def resnet50(width: Fraction, classes: int) -> nn.Sequential:
    """Return the network of He et al. 2016 with a 3×3 stem of stride 1 and no max-pooling.

    The stride of a stage is on its 3×3 convolution; the classifier has no bias.
    At width 1 and 10 classes: 23 520 832 parameters.
    """
    inputs = channels(64, width)
    layers: dict[str, nn.Module] = {
        "stem": nn.Conv2d(3, inputs, 3, padding=1, bias=False),
        "norm": nn.BatchNorm2d(inputs),
        "relu": nn.ReLU(inplace=True),
    }
    for number, (full, blocks) in enumerate(STAGES, start=1):
        planes = channels(full, width)
        layers[f"stage{number}"] = _stage(inputs, planes, blocks, stride=1 if number == 1 else 2)
        inputs = planes * Bottleneck.expansion
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    return nn.Sequential(
        OrderedDict(layers | {"classifier": nn.Linear(inputs, classes, bias=False)})
    )


def _stage(inputs: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    outputs = planes * Bottleneck.expansion
    shortcut = nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
    )
    first = Bottleneck(inputs, planes, stride, downsample=shortcut)
    return nn.Sequential(first, *(Bottleneck(outputs, planes) for _ in range(blocks - 1)))
