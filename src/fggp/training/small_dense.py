"""The narrower dense network with the number of weights of a sparse one."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction

from fggp.pruning.prunable import prunable
from fggp.study.cell import Backbone
from fggp.study.networks import SIDE, shapes_alone

STEPS = 1000


def weights(backbone: Backbone, classes: int, side: int = SIDE) -> int:
    """Return N, the number of prunable weights of a backbone, without making it."""
    model = shapes_alone(backbone, classes=classes, side=side)
    return sum(p.numel() for p in prunable(model).values())


def narrower(backbone: Backbone, classes: int, keep: int, side: int = SIDE) -> Backbone:
    """Return the widest network, in thousandths of its width, with at most ``keep`` weights.

    If even one channel per layer exceeds that, it is the narrowest possible network.
    """

    def of(step: int) -> Backbone:
        return backbone.model_copy(update={"width": backbone.width * Fraction(step, STEPS)})

    steps = range(1, STEPS + 1)
    fits = bisect_right(steps, keep, key=lambda step: weights(of(step), classes, side))
    return of(max(1, fits))
