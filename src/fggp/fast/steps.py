"""A network as a list of steps between numbered values, before the size of an image is known.

Value 0 is the input. Each step writes one value and no value is written twice, so that an in-place
operation of the original model is just another value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Kept:
    """The weights of a layer that are not zero.

    Attributes:
        shape: (outputs, inputs, rows, columns), or (outputs, features) of a linear layer.
        places: their places in the flat tensor, ascending.
        values: their values.

    """

    shape: tuple[int, ...]
    places: NDArray[np.int64]
    values: Floats

    @property
    def outputs(self) -> NDArray[np.int64]:
        """The output channel of each weight."""
        return self.places // max(1, prod(self.shape[1:]))


NOTHING = Kept((0, 0), np.empty(0, np.int64), np.empty(0))


@dataclass(eq=False)
class Step:
    """One computation.

    Attributes:
        name: its name in the model, for messages.
        source: the value that it reads.
        output: the value that it writes.

    """

    name: str
    source: int
    output: int

    @property
    def reads(self) -> list[int]:
        """All values that it reads."""
        return [self.source]


@dataclass(eq=False)
class Fusable(Step):
    """A step that can add another value to its result, and apply ReLU, before it writes.

    Attributes:
        residual: the value that is added, if any.
        relu: whether negative sums become 0.

    """

    residual: int | None = None
    relu: bool = False

    @property
    def reads(self) -> list[int]:
        """All values that it reads."""
        return [self.source] + ([] if self.residual is None else [self.residual])


@dataclass(eq=False)
class Convolve(Fusable):
    """A convolution, or a linear layer as one over the whole plane.

    Attributes:
        weight: its kept weights.
        bias: (outputs,)
        stride: rows and columns between outputs.
        padding: rows and columns of zeros on each side.
        copies: whether it only moves channels, by weights that the model does not have.

    """

    weight: Kept = NOTHING
    bias: Floats = field(default_factory=lambda: np.empty(0))
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    copies: bool = False

    @property
    def kept(self) -> int:
        """The number of weights that are not zero."""
        return len(self.weight.values)


@dataclass(eq=False)
class Pointwise(Fusable):
    """Per channel ``scale · x + shift``, before the sum and ReLU; None leaves x as it is."""

    scale: Floats | None = None
    shift: Floats | None = None


@dataclass(eq=False)
class Pool(Step):
    """The largest or the mean value of a window.

    Attributes:
        kind: ``max`` or ``mean``; padding counts as zero in a mean.
        window: rows and columns; None for those that give ``outputs``.
        stride: rows and columns between outputs.
        padding: rows and columns on each side.
        outputs: rows and columns of the output of an adaptive pooling.

    """

    kind: Literal["max", "mean"] = "max"
    window: Pair | None = None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    outputs: Pair = (1, 1)


@dataclass(eq=False)
class Flatten(Step):
    """Planes as one row of features; nothing is computed."""


@dataclass(frozen=True)
class Network:
    """A captured network: its steps in order, the value that is its output, and its size.

    Attributes:
        steps: the steps, in an order in which they can be computed.
        output: the number of the value that the model returns.
        weights: all weights of convolutions and linear layers, zeros included.

    """

    steps: list[Any]
    output: int
    weights: int

    @property
    def convolutions(self) -> list[Convolve]:
        """The steps that have weights of the model."""
        return [it for it in self.steps if isinstance(it, Convolve) and not it.copies]

    @property
    def kept(self) -> int:
        """The number of weights that are multiplied."""
        return sum(it.kept for it in self.convolutions)
