"""Other initial weights for the convolutions of a network."""

from __future__ import annotations

from typing import Literal

from torch import nn


def initialize(model: nn.Module, mode: Literal["fan-in", "fan-out"]) -> None:
    """Draw the weights of all convolutions from Kaiming's normal distribution, in layer order.

    The variance is 2/fan: with k×k kernels, fan-in is k²·c_in and fan-out k²·c_out (He et al. 2015,
    arXiv 1502.01852). Biases and other layers are not changed.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan: Literal["fan_in", "fan_out"] = "fan_in" if mode == "fan-in" else "fan_out"
            nn.init.kaiming_normal_(module.weight, mode=fan, nonlinearity="relu")
