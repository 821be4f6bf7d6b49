"""Initial masks, drawn on the CPU so that a seed means the same mask on every device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fggp.distributions import Distribution, Shape, erk, n_of_m
from fggp.selection import keep_largest_in_groups

if TYPE_CHECKING:
    from torch import Tensor, nn

Mask = NDArray[np.bool_]
Loss = Callable[["Tensor", "Tensor"], "Tensor"]


@dataclass(frozen=True)
class Beginning:
    """What an initial mask can be made from.

    Attributes:
        shapes: of the prunable tensors, in layer order.
        keep: K, the number of weights to keep in all.
        random: the stream of initial masks.
        model: the network before the first step.
        parameters: its prunable tensors by name, in layer order.
        batches: pairs of inputs and targets to score weights on, or None.
        loss: of outputs and targets, or None.

    """

    shapes: Sequence[Shape]
    keep: int
    random: np.random.Generator
    model: nn.Module | None = None
    parameters: Mapping[str, nn.Parameter] | None = None
    batches: Iterable[tuple[Tensor, Tensor]] | None = None
    loss: Loss | None = None


InitialMask = Callable[[Beginning], list[Mask]]
"""Makes one flat boolean mask per shape, with ``keep`` positions set in all."""


@dataclass(frozen=True)
class Random:
    """Random positions with an exact count per layer; dense where everything is kept.

    Two methods with equal shapes, count and seed start from the same mask.
    """

    distribution: Distribution

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks."""
        shapes = beginning.shapes
        return [
            _random(prod(shape), count, beginning.random)
            for shape, count in zip(shapes, self.distribution(shapes, beginning.keep), strict=True)
        ]


ERK = Random(erk)


@dataclass(frozen=True)
class InitialGroups:
    """The N largest magnitudes of every M neighbouring input channels, before the first step.

    Attributes:
        group: the largest M; see `fggp.distributions.n_of_m`.

    """

    group: int

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks."""
        assert beginning.parameters is not None  # the pruner gives them
        density = Fraction(beginning.keep, sum(prod(shape) for shape in beginning.shapes))
        masks = []
        for shape, weight in zip(beginning.shapes, beginning.parameters.values(), strict=True):
            keep, group = n_of_m(shape, self.group, density)
            score = weight.detach().abs().reshape(-1)
            masks.append(keep_largest_in_groups(score, shape, group, keep).cpu().numpy())
        return masks


def everything(beginning: Beginning) -> list[Mask]:
    """Keep all weights, for a rule that prunes before the first step."""
    return [np.ones(prod(shape), dtype=bool) for shape in beginning.shapes]


def _random(size: int, count: int, rng: np.random.Generator) -> Mask:
    mask = np.zeros(size, dtype=bool)
    mask[rng.permutation(size)[:count]] = True
    return mask
