"""The kernels of a network, their order, and the memory of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Literal

import numpy as np

from fggp.fast.ir import Function
from fggp.fast.kernels.convolution import convolution
from fggp.fast.kernels.planes import make_copies, move, pointwise, pool
from fggp.fast.kernels.side_by_side import gather, scatter, small_convolution, small_pool
from fggp.fast.layout import Copies, Planes, Window, copies, planes, tile
from fggp.fast.processor import Processor
from fggp.fast.shapes import Shape, kernel, shapes, window
from fggp.fast.steps import Convolve, Flatten, Fusable, Network, Pointwise, Pool, Step
from fggp.fast.weights import by_block, by_tap

SMALL = 16
"""Largest number of pixels of a plane that is computed for a group of images at once."""


@dataclass(eq=False)
class Buffer:
    """A part of the memory of a plan.

    Attributes:
        floats: its size.
        first: the call that writes it.
        last: the last call that reads it.
        offset: in floats, once it has been placed.

    """

    floats: int
    first: int
    last: int
    offset: int = 0


Role = Literal["images", "logits"]


@dataclass(frozen=True)
class Call:
    """A call of a kernel.

    Attributes:
        function: the kernel.
        places: its first arguments: buffers, or arrays of the caller.
        arrays: its further arguments.
        grouped: whether it is called once for a group of images and not for each image.
        lane: whether its output is the place of one image in a group.

    """

    function: Function
    places: Sequence[Buffer | Role]
    arrays: Sequence[np.ndarray[Any, Any]] = ()
    grouped: bool = False
    lane: bool = False


@dataclass(frozen=True)
class Stored:
    """A value and its place in memory."""

    planes: Planes
    buffer: Buffer


@dataclass
class Schedule:
    """The calls of a network for one size of image.

    Attributes:
        processor: target processor.
        network: as captured.
        image: the shape of one image.
        group: images that go through the last layers together; 1 for none.
        calls: the calls in order, those for each image first.
        floats: size of all buffers.

    """

    processor: Processor
    network: Network
    image: tuple[int, ...]
    group: int = 1
    calls: list[Call] = field(default_factory=list)
    floats: int = 0
    buffers: list[Buffer] = field(default_factory=list)
    values: dict[int, Stored] = field(default_factory=dict)
    images: int = 1

    def __post_init__(self) -> None:
        self.shapes = shapes(self.network, self.image)
        self._enter()
        steps = self.network.steps
        head = self._head() if self.group > 1 else len(steps)
        for step in steps[:head]:
            self._add(step)
        if head < len(steps):
            self._join(steps[head:])
            for step in steps[head:]:
                self._add(step)
        self._leave()
        self.floats = _place(self.buffers)

    @property
    def grouped(self) -> bool:
        """Whether images go through the last layers together."""
        return self.images > 1

    @property
    def output(self) -> Shape:
        """The shape of the output."""
        return self.shapes[self.network.output]

    def _head(self) -> int:
        """Return the number of steps that are computed for each image separately.

        The last steps are computed in groups if all their planes are small, and if their kept
        weights, which are then read once for all images, outweigh rearranging the images.
        """
        steps, start = self.network.steps, len(self.network.steps)
        while start and all(self.shapes[it].pixels <= SMALL for it in _all(steps[start - 1])):
            start -= 1
        entering = self._entering(steps[start:])
        kept = sum(it.kept for it in steps[start:] if isinstance(it, Convolve))
        moved = sum(self.shapes[it].channels * self.shapes[it].pixels for it in entering)
        return start if kept > 2 * moved else len(steps)

    def _entering(self, steps: Sequence[Step]) -> list[int]:
        inside = {it.output for it in steps}
        read = [value for step in steps for value in step.reads]
        return list(dict.fromkeys(it for it in read if it not in inside))

    def _buffer(self, floats: int) -> Buffer:
        self.buffers.append(Buffer(floats, len(self.calls), len(self.calls)))
        return self.buffers[-1]

    def _call(self, function: Function, *places: Buffer | Role, **options: Any) -> None:
        for place in places:
            if isinstance(place, Buffer):
                place.last = len(self.calls)
        options.setdefault("grouped", self.images > 1)
        self.calls.append(Call(function, places, **options))

    def _store(self, value: int, written: int = 0) -> Stored:
        layout = planes(self.shapes[value], self.images, written)
        self.values[value] = Stored(layout, self._buffer(layout.size))
        return self.values[value]

    def _enter(self) -> None:
        stored = self._store(0)
        pixels = stored.planes.shape.pixels
        channels = stored.planes.shape.channels
        self._call(move(channels, pixels, pixels, stored.planes.stride), "images", stored.buffer)

    def _join(self, steps: Sequence[Step]) -> None:
        """Put the values of each image into their places in the group."""
        self.images = self.group
        for value in self._entering(steps):
            source = self.values[value]
            target = self._store(value)
            target.buffer.first = 0  # it keeps the values of the images before
            self._call(
                scatter(source.planes, target.planes), source.buffer, target.buffer,
                grouped=False, lane=True,
            )  # fmt: skip

    def _leave(self) -> None:
        stored = self.values[self.network.output]
        shape = stored.planes.shape
        if self.images > 1:
            function = gather(stored.planes)
        else:
            function = move(shape.channels, shape.pixels, stored.planes.stride, shape.pixels)
        self._call(function, stored.buffer, "logits")

    def _add(self, step: Step) -> None:
        _ADD[type(step)](self, step)

    def _lanes(self, numbers: int) -> int:
        return min(self.processor.lanes, 1 << (numbers - 1).bit_length())

    def _convolve(self, step: Convolve) -> None:
        source = self.values[step.source]
        weight = kernel(step, source.planes.shape)
        rows, columns = weight.shape[2:]
        geometry = Window(
            (rows, columns), step.stride, step.padding,
            source.planes.shape, self.shapes[step.output],
        )  # fmt: skip
        added = self._added(step)
        stride = None if added is None else added.planes.stride
        bias = step.bias.astype(np.float32)
        if self.images > 1 and not geometry.direct:
            arrays = (*by_tap(weight, geometry, source.planes), bias)
            stored, read = self._store(step.output), source.buffer
            function = small_convolution(
                geometry, source.planes, stored.planes, stride, relu=step.relu,
                lanes=self._lanes(self.images), registers=self.processor.registers,
            )  # fmt: skip
        else:
            layout, read = self._read(source, geometry)
            numbers = geometry.output.pixels * self.images
            way = tile(self.processor, numbers, geometry, layout, step.kept)
            arrays = (*by_block(weight, geometry, layout, way), bias)
            stored = self._store(step.output, way.written)
            outputs = weight.shape[0]
            function = convolution(way, outputs, stored.planes.stride, stride, relu=step.relu)
        places = (read, stored.buffer, read if added is None else added.buffer)
        self._call(function, *places, arrays=arrays)

    def _read(self, source: Stored, geometry: Window) -> tuple[Planes | Copies, Buffer]:
        """Return the input of a convolution, laid out first if it cannot be read directly."""
        if geometry.direct:
            return source.planes, source.buffer
        layout = copies(geometry)
        buffer = self._buffer(layout.size)
        self._call(make_copies(source.planes, layout), source.buffer, buffer)
        return layout, buffer

    def _added(self, step: Fusable) -> Stored | None:
        """Return the value that a step adds, laid out as its output; None if it adds none."""
        if step.residual is None:
            return None
        return self._laid_out(step.residual, self.shapes[step.output])

    def _laid_out(self, value: int, shape: Shape) -> Stored:
        """Return a value in the layout of a shape: flattened planes as one feature after the other.

        They are copied if there are gaps between the planes.
        """
        stored = self.values[value]
        if stored.planes.shape == shape:
            return stored
        before, layout = stored.planes, Planes(shape, self.images, self.images)
        numbers = before.shape.pixels * self.images
        if before.stride == numbers:
            return Stored(layout, stored.buffer)
        buffer = self._buffer(layout.size)
        function = move(before.shape.channels, numbers, before.stride, numbers)
        self._call(function, stored.buffer, buffer)
        return Stored(layout, buffer)

    def _pointwise(self, step: Pointwise) -> None:
        shape = self.shapes[step.output]
        source, added = self._laid_out(step.source, shape), self._added(step)
        numbers = shape.pixels * self.images
        lanes = self._lanes(numbers)
        stored = self._store(step.output, ceil(numbers / lanes) * lanes)
        ones = np.ones(shape.channels)
        arrays = (
            (ones if step.scale is None else step.scale).astype(np.float32),
            (0 * ones if step.shift is None else step.shift).astype(np.float32),
        )
        strides = (
            source.planes.stride, stored.planes.stride,
            None if added is None else added.planes.stride,
        )  # fmt: skip
        function = pointwise(
            shape.channels, numbers, strides, lanes, scaled=step.scale is not None, relu=step.relu
        )
        places = (source.buffer, stored.buffer, (added or source).buffer)
        self._call(function, *places, arrays=arrays)

    def _pool(self, step: Pool) -> None:
        source = self.values[step.source]
        size, stride = window(step, source.planes.shape)
        geometry = Window(size, stride, step.padding, source.planes.shape, self.shapes[step.output])
        stored = self._store(step.output)
        mean = step.kind == "mean"
        if self.images > 1:
            lanes = self._lanes(self.images)
            function = small_pool(geometry, source.planes, stored.planes, lanes=lanes, mean=mean)
        else:
            function = pool(geometry, source.planes, stored.planes, mean=mean)
        self._call(function, source.buffer, stored.buffer)

    def _flatten(self, step: Flatten) -> None:
        source = self.values[step.source]
        layout = replace(source.planes, shape=self.shapes[step.output])
        self.values[step.output] = Stored(layout, source.buffer)


_ADD: dict[type[Step], Callable[[Schedule, Any], None]] = {
    Convolve: Schedule._convolve,
    Pointwise: Schedule._pointwise,
    Pool: Schedule._pool,
    Flatten: Schedule._flatten,
}


def _all(step: Step) -> list[int]:
    return [*step.reads, step.output]


def _place(buffers: Sequence[Buffer]) -> int:
    """Give each buffer the lowest offset that is free while it is used; returns the end."""
    placed: list[Buffer] = []
    for buffer in buffers:
        size = ceil(buffer.floats / 16) * 16
        busy = sorted(
            (it for it in placed if it.first <= buffer.last and buffer.first <= it.last),
            key=lambda it: it.offset,
        )
        offset = 0
        for other in busy:
            if offset + size <= other.offset:
                break
            offset = max(offset, other.offset + ceil(other.floats / 16) * 16)
        buffer.offset = offset
        placed.append(buffer)
    return max(it.offset + ceil(it.floats / 16) * 16 for it in buffers)
