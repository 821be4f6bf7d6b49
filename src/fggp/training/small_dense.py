"""The narrower dense network with as many weights as a sparse one."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

import torch

from fggp.models import build

STEPS = 1000


def weights(name: str, width: Fraction, classes: int) -> int:
    """Return N, the number of prunable weights of a backbone, without making it."""
    with torch.device("meta"):
        model = build(name, width=width, classes=classes)
    return sum(p.numel() for p in model.parameters() if p.ndim > 1)


def narrower(name: str, width: Fraction, classes: int, keep: int) -> Fraction:
    """Return the widest factor, in thousandths of ``width``, with at most ``keep`` weights.

    Where even one channel per layer is more than that, it is the narrowest there is.
    """
    steps = range(1, STEPS + 1)
    fits = bisect_right(
        steps, keep, key=lambda n: weights(name, width * Fraction(n, STEPS), classes)
    )
    return width * Fraction(max(1, fits), STEPS)
