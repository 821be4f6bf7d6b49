"""ResNet-56 for images of 32×32 pixels (He et al. 2016, section 4.2)."""

from fractions import Fraction

from torch import nn

from fggp.models.registry import backbone
from fggp.models.residual_networks import residual_network


@backbone()
def resnet56(width: Fraction, classes: int) -> nn.Sequential:
    """Return three stages of 9 basic blocks, 16, 32 and 64 channels, shortcuts without weights.

    At width 1 and 10 classes: 853 018 parameters.
    """
    return residual_network(56, width, classes)
