"""The networks, one file each, for square RGB images of 16 to 64 pixels.

Networks from outside the package are made by `fggp.models.open_networks`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from fggp.models.registry import find

if TYPE_CHECKING:
    from torch import nn


def build(name: str, *, width: Fraction = Fraction(1), classes: int = 10) -> nn.Module:
    """Return a freshly initialized network, ``(B, 3, H, W) → (B, classes)`` raw logits.

    Args:
        name: one of `registry.names`; raises KeyError for any other.
        width: factor on every number of channels.
        classes: number of outputs of the classifier.

    """
    return find(name).make(width, classes)
