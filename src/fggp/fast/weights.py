"""Kept weights as the kernels read them: an offset and a value each, and pointers to rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fggp.fast.layout import Copies, Planes, Tile, Window
from fggp.fast.refusal import CompileError
from fggp.fast.steps import Floats

ENTRY = np.dtype([("offset", "<i4"), ("value", "<f4")])
"""A kept weight: bytes from the start of a tile to its inputs, and its value."""
Pointers = NDArray[np.int32]
Entries = NDArray[np.void]
LARGEST = 2**31 - 1


def by_block(
    weight: Floats, window: Window, source: Planes | Copies, way: Tile
) -> tuple[Pointers, Entries]:
    """Return pointers (one per block and output, and the end) and kept weights in that order.

    Weights that meet only padding are left out.
    """
    place = np.full(window.size, -1)
    for tap in window.taps:
        place[tap] = _place(window, source, *tap)
    output, channel, row, column = np.nonzero(np.where(place >= 0, weight, 0))
    line = channel // way.block * len(weight) + output
    order = np.argsort(line, kind="stable")
    offset = channel * source.stride + place[row, column]
    values = weight[output, channel, row, column]
    return _coded(line[order], way.blocks * len(weight), offset[order], values[order])


def by_tap(weight: Floats, window: Window, source: Planes) -> tuple[Pointers, Entries]:
    """Return pointers (one per output and position of `Window.taps`) and kept weights."""
    rows, columns = np.array(window.taps).T
    met = weight[:, :, rows, columns].transpose(0, 2, 1)
    output, tap, channel = np.nonzero(met)
    line = output * len(rows) + tap
    return _coded(line, len(weight) * len(rows), channel * source.stride, met[output, tap, channel])


def _place(window: Window, source: Planes | Copies, row: int, column: int) -> int:
    """Return where the inputs begin, in floats, that a position of the kernel meets."""
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
