"""Kept weights as the kernels read them: an offset and a value each, and pointers to rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fggp.fast.layout import Copies, Planes, Tile, Window
from fggp.fast.refusal import CompileError
from fggp.fast.steps import Floats, Kept

ENTRY = np.dtype([("offset", "<i4"), ("value", "<f4")])
"""A kept weight: bytes from the start of a tile to its inputs, and its value."""
Pointers = NDArray[np.int32]
Entries = NDArray[np.void]
LARGEST = 2**31 - 1


def by_block(
    weight: Kept, window: Window, source: Planes | Copies, way: Tile
) -> tuple[Pointers, Entries]:
    """Return pointers (one per block and output, and the end) and kept weights in that order.

    Weights that meet only padding are left out.
    """
    place = np.full(window.size, -1)
    for row, column in window.taps:
        place[row, column] = _place(window, source, row, column)
    outputs, inputs = weight.shape[:2]
    plane, tap = np.divmod(weight.places, place.size)
    begin = place.ravel()[tap]
    output, channel = np.divmod(plane, inputs)
    line = channel // way.block * outputs + output
    # A stable sort keeps the order inside a row, which is that of the tensor.
    order = np.argsort(line.astype(np.int32), kind="stable")
    order = order[begin[order] >= 0]
    offset = (channel * source.stride + begin)[order]
    return _coded(line[order], way.blocks * outputs, offset, weight.values[order])


def by_tap(weight: Kept, window: Window, source: Planes) -> tuple[Pointers, Entries]:
    """Return pointers (one per output and position of `Window.taps`) and kept weights."""
    number = np.full(window.size, -1)
    for count, (row, column) in enumerate(window.taps):
        number[row, column] = count
    outputs, inputs = weight.shape[:2]
    plane, place = np.divmod(weight.places, number.size)
    output, channel = np.divmod(plane, inputs)
    position = number.ravel()[place]
    line = output * len(window.taps) + position
    order = np.argsort(line.astype(np.int32), kind="stable")
    order = order[position[order] >= 0]
    offset = channel[order] * source.stride
    return _coded(line[order], outputs * len(window.taps), offset, weight.values[order])


def _place(window: Window, source: Planes | Copies, row: int, column: int) -> int:
    """Return the start, in floats, of the inputs that a position of the kernel meets."""
    if isinstance(source, Copies):
        return source.place(row, column)
    y, x = window.met(row, column)[0, 0]
    return (y * window.source.columns + x) * source.images


def _coded(
    line: NDArray[np.int64], lines: int, offset: NDArray[np.int64], values: Floats
) -> tuple[Pointers, Entries]:
    if len(values) * ENTRY.itemsize > LARGEST or 4 * int(offset.max(initial=0)) > LARGEST:
        raise CompileError("a layer of more than 2 GB cannot be compiled; give smaller images")
    entries = np.empty(len(values), ENTRY)
    entries["offset"], entries["value"] = 4 * offset, values
    ends = np.cumsum(np.bincount(line, minlength=lines))
    pointers = ENTRY.itemsize * np.concatenate([[0], ends])
    return pointers.astype(np.int32), entries
