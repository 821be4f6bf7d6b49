"""WRN-22-2 for images of 32×32 pixels (Zagoruyko & Komodakis 2016)."""

from fractions import Fraction

from torch import nn

from fggp.models.registry import backbone
from fggp.models.wide_residual_networks import wide_residual_network


@backbone()
def wrn222(width: Fraction, classes: int) -> nn.Sequential:
    """Return three stages of three pre-activation blocks, 32, 64 and 128 channels.

    At width 1 and 10 classes: 1 079 642 parameters.
    """
    return wide_residual_network(22, 2, width, classes)
