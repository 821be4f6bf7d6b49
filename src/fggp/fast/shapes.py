"""Sizes of all planes of a network for one size of image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from fggp.fast.refusal import CompileError
from fggp.fast.steps import Convolve, Flatten, Kept, Network, Pair, Pointwise, Pool, Step


@dataclass(frozen=True)
class Shape:
    """The size of a value for one image.

    Attributes:
        channels: planes, or features of a flat value.
        rows: rows of a plane.
        columns: columns of a plane.
        flat: whether torch sees one row of ``channels · rows · columns`` features.

    """

    channels: int
    rows: int
    columns: int
    flat: bool = False

    @property
    def pixels(self) -> int:
        """Numbers in a plane."""
        return self.rows * self.columns

    @property
    def seen(self) -> tuple[int, ...]:
        """The shape of one image in torch."""
        whole = (self.channels, self.rows, self.columns)
        return (prod(whole),) if self.flat else whole


def shapes(network: Network, image: tuple[int, ...]) -> dict[int, Shape]:
    """Return the shape of each value by its number.

    Args:
        network: as captured.
        image: (channels, rows, columns), or (features,).

    Raises:
        CompileError: where an image of that shape does not fit the network.

    """
    channels, rows, columns = image if len(image) == 3 else (*image, 1, 1)
    found = {0: Shape(channels, rows, columns, flat=len(image) == 1)}
    for step in network.steps:
        source = found[step.source]
        shape = _OF[type(step)](step, source)
        if min(shape.rows, shape.columns) < 1:
            raise CompileError(f"{step.name}: images of {image} leave nothing; give larger ones")
        for value in step.reads[1:]:
            if found[value].seen != shape.seen:
                raise CompileError(
                    f"{step.name}: a sum of {found[value].seen} and {shape.seen}; only tensors of "
                    "one shape can be added"
                )
            if found[value] != shape:  # flattened planes, which lie differently in memory
                shape = Shape(prod(shape.seen), 1, 1, flat=True)
        found[step.output] = shape
    return found


def kernel(step: Convolve, source: Shape) -> Kept:
    """Return the weight as (outputs, inputs, rows, columns); a linear layer covers the plane."""
    if len(step.weight.shape) == 2:
        whole = (step.weight.shape[0], source.channels, source.rows, source.columns)
        return replace(step.weight, shape=whole)
    return step.weight


def window(step: Pool, source: Shape) -> tuple[Pair, Pair]:
    """Return window and stride of a pooling, which an adaptive one takes from its input."""
    if step.window is not None:
        return step.window, step.stride
    size = (source.rows, source.columns)
    if any(have % want for have, want in zip(size, step.outputs, strict=True)):
        raise CompileError(
            f"{step.name}: {size} to {step.outputs} pixels; an adaptive pooling can be compiled "
            "where its output divides its input"
        )
    rows, columns = (have // want for have, want in zip(size, step.outputs, strict=True))
    return (rows, columns), (rows, columns)


def _after(size: int, padding: int, window: int, stride: int) -> int:
    return (size + 2 * padding - window) // stride + 1


def _planes(channels: int, source: Shape, size: Pair, stride: Pair, padding: Pair) -> Shape:
    rows = _after(source.rows, padding[0], size[0], stride[0])
    columns = _after(source.columns, padding[1], size[1], stride[1])
    return Shape(channels, rows, columns)


def _convolve(step: Convolve, source: Shape) -> Shape:
    outputs, expected = step.weight.shape[:2]
    linear = len(step.weight.shape) == 2
    if source.flat != linear or expected != (source.seen[0] if linear else source.channels):
        wanted = f"{expected} features" if linear else f"{expected} planes"
        raise CompileError(f"{step.name}: takes {wanted} and gets {source.seen}")
    if linear:
        return Shape(outputs, 1, 1, flat=True)
    rows, columns = step.weight.shape[2:]
    return _planes(outputs, source, (rows, columns), step.stride, step.padding)


def _pointwise(step: Pointwise, source: Shape) -> Shape:
    if step.scale is not None and (source.flat or len(step.scale) != source.channels):
        raise CompileError(f"{step.name}: takes {len(step.scale)} planes and gets {source.seen}")
    return source


def _pool(step: Pool, source: Shape) -> Shape:
    if source.flat:
        raise CompileError(f"{step.name}: takes planes and gets {source.seen}")
    size, stride = window(step, source)
    return _planes(source.channels, source, size, stride, step.padding)


def _flatten(_: Flatten, source: Shape) -> Shape:
    return replace(source, flat=True)


_OF: dict[type[Step], Callable[..., Shape]] = {
    Convolve: _convolve,
    Pointwise: _pointwise,
    Pool: _pool,
    Flatten: _flatten,
}
