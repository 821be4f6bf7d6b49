"""The memory layout of values, and the input of each convolution.

A value is ``[channel][pixel][image]`` of float32: one image at a time, or all images of a group
side by side. A convolution adds, for each kept weight, that weight times a run of consecutive
numbers to as many consecutive outputs. Where the kernel is one pixel, that run is the input
itself. Otherwise the input is first laid out as shifted copies, in which the inputs of one weight
for all outputs are consecutive, whatever the stride, the padding and the width of the plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil

from fggp.fast.processor import Processor
from fggp.fast.shapes import Shape
from fggp.fast.steps import Pair

LINE = 16
"""Floats of a cache line."""
SHARE = 2 / 3
"""Share of the first-level cache that the input of a tile may take and still be found there."""
NEAR, FAR, VISIT, ROW, AGAIN = 1.3, 1.95, 1.2, 8.0, 2.0
"""Cycles: of a product of vectors with its input in the first-level cache and beyond, of a kept
weight, of an output channel, and of a vector of sums that is read and written once more. Measured
on Zen 4; only their ratios matter."""


@dataclass(frozen=True)
class Planes:
    """The memory layout of a value.

    Attributes:
        shape: shape of the value for one image.
        images: number of images side by side.
        stride: floats from a channel to the next.

    """

    shape: Shape
    images: int
    stride: int

    @property
    def size(self) -> int:
        """Floats of all channels."""
        return self.shape.channels * self.stride


def planes(shape: Shape, images: int, written: int = 0) -> Planes:
    """Return the layout of a value whose maker writes ``written`` floats per channel.

    Long channels are an odd number of cache lines apart, so that they do not all map to the same
    few cache sets.
    """
    return Planes(shape, images, spread(max(written, shape.pixels * images)))


def spread(floats: int) -> int:
    """Return the distance, in floats, of channels of a length."""
    return floats if floats < 16 * LINE else LINE * (ceil(floats / LINE) | 1)


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution: kernel size, stride, padding, planes before and after."""

    size: Pair
    stride: Pair
    padding: Pair
    source: Shape
    output: Shape

    @property
    def direct(self) -> bool:
        """Whether the input can be read as it is."""
        plain = self.size == (1, 1) == self.stride and self.padding == (0, 0)
        return plain or self.output.pixels == 1

    @cached_property
    def taps(self) -> list[Pair]:
        """The positions of the kernel that meet a pixel of the input anywhere."""
        rows, columns = map(range, self.size)
        return [(it, jt) for it in rows if self._rows(it) for jt in columns if self._columns(jt)]

    def met(self, row: int, column: int) -> dict[Pair, Pair]:
        """Return the input pixel that a position of the kernel meets, by output pixel."""
        rows, columns = self._rows(row), self._columns(column)
        return {(y, x): (rows[y], columns[x]) for y in rows for x in columns}

    def pixel(self, row: int, column: int, phase: int, shift: int) -> int:
        """Return the input pixel of an element of the shifted copies; -1 outside of the plane."""
        y = row * self.stride[0] + phase - self.padding[0]
        x = column * self.stride[1] + shift - self.padding[1]
        inside = 0 <= y < self.source.rows and 0 <= x < self.source.columns
        return y * self.source.columns + x if inside else -1

    def _rows(self, tap: int) -> dict[int, int]:
        first = tap - self.padding[0]
        return _inside(first, self.stride[0], self.output.rows, self.source.rows)

    def _columns(self, tap: int) -> dict[int, int]:
        first = tap - self.padding[1]
        return _inside(first, self.stride[1], self.output.columns, self.source.columns)


def _inside(first: int, stride: int, output: int, source: int) -> dict[int, int]:
    places = {it: first + it * stride for it in range(output)}
    return {it: place for it, place in places.items() if 0 <= place < source}


@dataclass(frozen=True)
class Copies:
    """Shifted copies of a value: ``[channel][phase][shift][row][column]``.

    The element (phase p, shift k, row j, column i) is the input at row ``j · stride + p`` and
    column ``i · stride + k``, both less the padding; 0 where that is outside.

    Attributes:
        window: geometry of the convolution that reads them.
        phases: number of input rows between two outputs, at most the rows of the kernel.
        rows: rows of a copy: those of the output, and more below for the height of the kernel.
        stride: floats from a channel to the next.

    """

    window: Window
    phases: int
    rows: int
    stride: int

    @property
    def shifts(self) -> int:
        """Copies of each phase."""
        return self.window.size[1]

    @property
    def one(self) -> int:
        """Floats of one copy."""
        return self.rows * self.window.output.columns

    @property
    def size(self) -> int:
        """Floats of all channels."""
        return self.window.source.channels * self.stride

    def place(self, row: int, column: int) -> int:
        """Return the start of the numbers that a position of the kernel meets."""
        step = self.window.stride[0]
        start = (row % step * self.shifts + column) * self.one
        return start + row // step * self.window.output.columns


def copies(window: Window) -> Copies:
    """Return the shifted copies that a convolution reads."""
    step = window.stride[0]
    phases = min(step, window.size[0])
    rows = window.output.rows + (window.size[0] - 1) // step
    floats = phases * window.size[1] * rows * window.output.columns
    return Copies(window, phases, rows, spread(floats))


@dataclass(frozen=True)
class Tile:
    """The order in which a convolution computes its outputs.

    Attributes:
        lanes: lanes of a vector.
        vectors: vectors of sums that are kept in registers.
        tiles: number of tiles of a plane; the last one may extend beyond its end.
        block: input channels whose weights are applied before the next tile.
        blocks: number of these blocks.

    """

    lanes: int
    vectors: int
    tiles: int
    block: int
    blocks: int

    @property
    def width(self) -> int:
        """Floats of one tile."""
        return self.lanes * self.vectors

    @property
    def written(self) -> int:
        """Floats of all tiles, those beyond the end included."""
        return self.width * self.tiles

    @property
    def unroll(self) -> int:
        """Kept weights applied at once, since a sum can be updated only every fourth cycle."""
        return 1 if self.vectors >= 8 else 2 if self.vectors >= 4 else 4


BLOCKS = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)


def tile(
    processor: Processor, numbers: int, window: Window, source: Planes | Copies, kept: int
) -> Tile:
    """Return the cheapest order of the outputs of a convolution.

    Args:
        processor: target processor, with its vectors and registers.
        numbers: floats of an output channel.
        window: geometry of the convolution.
        source: layout of the input.
        kept: the number of weights that are not zero.

    """
    lanes = min(processor.lanes, 1 << (numbers - 1).bit_length())
    vectors = ceil(numbers / lanes)
    inputs = window.source.channels
    depths = sorted({inputs, *(it for it in BLOCKS if it < inputs)}, reverse=True)
    ways = [
        Tile(lanes, wide, ceil(vectors / wide), ceil(inputs / blocks), blocks)
        for wide in range(1, min(vectors, processor.registers) + 1)
        for blocks in dict.fromkeys(ceil(inputs / depth) for depth in depths)
    ]
    near = SHARE * processor.cache
    return min(ways, key=lambda way: _cycles(way, window, source, kept=kept, near=near))


def _cycles(way: Tile, window: Window, source: Planes | Copies, *, kept: int, near: float) -> float:
    """Return the estimated cycles; ``near`` bytes of input fit into the first-level cache."""
    outputs = window.output.channels
    if isinstance(source, Copies):
        below = (window.size[0] - 1) // window.stride[0] * window.output.columns
        touched = source.phases * source.shifts * (way.width + below)
    else:
        touched = way.width * window.source.pixels if window.output.pixels == 1 else way.width
    product = NEAR if 4 * touched * way.block <= near else FAR
    weights = max(1, kept) * (way.vectors * product + VISIT)
    sums = ROW + (way.unroll - 1) * way.vectors + AGAIN * way.vectors * (way.blocks > 1)
    return way.tiles * (weights + outputs * way.blocks * sums)
