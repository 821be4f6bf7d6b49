"""VGG-19 with batch normalization and one linear layer, as GraNet and GraSP train it on CIFAR."""

from collections import OrderedDict
from fractions import Fraction

from torch import nn

from fggp.models.registry import backbone, channels

STAGES = (64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4


@backbone(whole_planes_after="pool3")  # then 4×4 and 2×2 pixels, of 32×32
def vgg19(width: Fraction, classes: int) -> nn.Sequential:
    """Return the network of Simonyan & Zisserman 2015 (configuration E) for small images.

    No bias in convolutions, max-pooling after the first four stages, global average pooling.
    At width 1 and 10 classes: 20 035 018 parameters.
    """
    layers: dict[str, nn.Module] = {}
    inputs = 3
    for number, stage in enumerate(STAGES, start=1):
        if number > 1:
            layers[f"pool{number - 1}"] = nn.MaxPool2d(2)
        for place, full in enumerate(stage, start=1):
            outputs = channels(full, width)
            layers[f"conv{number}_{place}"] = _convolution(inputs, outputs)
            layers[f"norm{number}_{place}"] = nn.BatchNorm2d(outputs)
            layers[f"relu{number}_{place}"] = nn.ReLU(inplace=True)
            inputs = outputs
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    return nn.Sequential(OrderedDict(layers | {"classifier": _classifier(inputs, classes)}))


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution


def _classifier(inputs: int, classes: int) -> nn.Linear:
    linear = nn.Linear(inputs, classes)
    nn.init.normal_(linear.weight, 0, 0.01)
    nn.init.zeros_(linear.bias)
    return linear
