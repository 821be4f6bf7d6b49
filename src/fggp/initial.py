"""Initial masks, drawn on the CPU so that a seed means the same mask on every device."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from fggp.distributions import Distribution, Shape, erk

Mask = NDArray[np.bool_]
InitialMask = Callable[[Sequence[Shape], int, np.random.Generator], list[Mask]]


@dataclass(frozen=True)
class Random:
    """Random positions with an exact count per layer; dense where everything is kept.

    Two methods with equal shapes, count and seed start from the same mask.
    """

    distribution: Distribution

    def __call__(self, shapes: Sequence[Shape], keep: int, rng: np.random.Generator) -> list[Mask]:
        """Return one flat boolean mask per shape, with ``keep`` positions set in all."""
        return [
            _random(prod(shape), count, rng)
            for shape, count in zip(shapes, self.distribution(shapes, keep), strict=True)
        ]


ERK = Random(erk)


def _random(size: int, count: int, rng: np.random.Generator) -> Mask:
    mask = np.zeros(size, dtype=bool)
    mask[rng.permutation(size)[:count]] = True
    return mask
