"""Computations on whole planes of one image: copies, poolings, sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fggp.fast.ir import Function, Pointer, Vector, everywhere, zero
from fggp.fast.layout import Copies, Planes, Window

CHUNK = 16
"""Largest number of floats of a row that are written at once."""


def chunks(floats: int, width: int = CHUNK) -> Iterator[tuple[int, int]]:
    """Yield the start and the length of each piece."""
    for start in range(0, floats, width):
        yield start, min(width, floats - start)


@dataclass(frozen=True)
class Segment:
    """A piece of one or several input rows in a vector.

    Attributes:
        value: the vector; None where no part of the rows is inside.
        start: the column of its first lane.
        width: columns of each row.
        rows: number of rows.

    """

    value: Vector | None
    start: int
    width: int
    rows: int = 1


def _limits(window: Window, start: int, count: int) -> tuple[int, int]:
    """Return the first and one past the last column of the input that outputs meet."""
    first = start * window.stride[1] - window.padding[1]
    last = (start + count - 1) * window.stride[1] + window.size[1] - window.padding[1]
    return max(0, first), min(window.source.columns, last)


def _shifted(
    code: Function,
    window: Window,
    piece: Segment,
    part: tuple[int, int],
    *,
    shift: int,
    fill: float = 0.0,
) -> Vector:
    """Return the inputs that one column of the kernel meets for a part of each output row."""
    start, count = part
    if piece.value is None:
        return everywhere(fill, count * piece.rows)
    columns = [(start + it) * window.stride[1] + shift - window.padding[1] for it in range(count)]
    places = [
        it - piece.start if piece.start <= it < piece.start + piece.width else -1 for it in columns
    ]
    chosen = [
        row * piece.width + it if it >= 0 else -1 for row in range(piece.rows) for it in places
    ]
    lanes = piece.width * piece.rows
    if chosen == list(range(lanes)):
        return piece.value
    return code.shuffle(piece.value, lanes, chosen, fill)


def make_copies(source: Planes, target: Copies) -> Function:
    """Return the kernel that lays out shifted copies, including the zeros around them."""
    code = Function("source", "output")
    moves = (("%source", 4 * source.stride), ("%output", 4 * target.stride))
    with code.loop(source.shape.channels, *moves) as (plane, out):
        if source.shape.pixels <= CHUNK:
            _copy_plane(code, target, plane, out)
            return code
        for phase in range(target.phases):
            base = code.at(out, 4 * phase * target.shifts * target.one)
            for first, count, row in _runs(target, phase):
                _copy_rows(code, target, (plane, base), (first, count), row)
    return code


def _copy_plane(code: Function, target: Copies, plane: Pointer, out: Pointer) -> None:
    """Write all copies of a plane that is one vector."""
    window, columns = target.window, target.window.output.columns
    pixels = window.source.pixels
    value = code.load(plane, 0, pixels)
    for copy in range(target.phases * target.shifts):
        phase, shift = divmod(copy, target.shifts)
        for start, lanes in chunks(target.one):
            places = (divmod(it, columns) for it in range(start, start + lanes))
            chosen = [window.pixel(row, column, phase, shift) for row, column in places]
            copied = code.shuffle(value, pixels, chosen)
            code.store(copied, out, 4 * (copy * target.one + start), lanes)


def _runs(target: Copies, phase: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield runs of rows of a copy: first row, number, and the input row of the first or None."""
    step, padding = target.window.stride[0], target.window.padding[0]
    rows = [it * step + phase - padding for it in range(target.rows)]
    inside = [it for it, row in enumerate(rows) if 0 <= row < target.window.source.rows]
    if not inside:
        yield 0, target.rows, None
        return
    if inside[0]:
        yield 0, inside[0], None
    yield inside[0], len(inside), rows[inside[0]]
    if inside[-1] + 1 < target.rows:
        yield inside[-1] + 1, target.rows - inside[-1] - 1, None


def _copy_rows(
    code: Function,
    target: Copies,
    pointers: tuple[Pointer, Pointer],
    rows: tuple[int, int],
    row: int | None,
) -> None:
    """Write rows of the copies of one phase; without an input row they are zeros."""
    first, count = rows
    window, columns = target.window, target.window.output.columns
    out = code.at(pointers[1], 4 * first * columns)
    if row is None:
        for shift in range(target.shifts):
            for start, lanes in chunks(count * columns):
                code.store(zero(lanes), out, 4 * (shift * target.one + start), lanes)
        return
    source = code.at(pointers[0], 4 * row * window.source.columns)
    step = 4 * window.source.columns * window.stride[0]
    # Several consecutive narrow rows make one vector.
    several = max(1, CHUNK // max(columns, window.source.columns)) if window.stride[0] == 1 else 1
    for begin, together in ((0, several), (count // several * several, count % several)):
        times = count // several if begin == 0 else 1
        if together == 0 or times == 0:
            continue
        moves = (
            (code.at(source, begin * step), together * step),
            (code.at(out, 4 * begin * columns), 4 * together * columns),
        )
        with code.loop(times, *moves) as (line, place):
            _copy_vectors(code, target, (line, place), together)


def _copy_vectors(
    code: Function, target: Copies, pointers: tuple[Pointer, Pointer], rows: int
) -> None:
    """Write rows of all copies of a phase, wide ones in pieces."""
    window, columns = target.window, target.window.output.columns
    line, place = pointers
    for start, lanes in chunks(columns):
        left, right = _limits(window, start, lanes)
        if rows > 1:
            left, right = 0, window.source.columns
        width = max(right - left, 0) * rows
        value = code.load(line, 4 * left, width) if width else None
        piece = Segment(value, left, max(right - left, 0), rows)
        for shift in range(target.shifts):
            copied = _shifted(code, window, piece, (start, lanes), shift=shift)
            code.store(copied, place, 4 * (shift * target.one + start), lanes * rows)


def pool(window: Window, source: Planes, output: Planes, *, mean: bool) -> Function:
    """Return a pooling: the largest value or the mean of a window, in which padding counts as 0.

    The largest of NaN and a number is NaN, and padding is never the largest.
    """
    code = Function("source", "output")
    moves = (("%source", 4 * source.stride), ("%output", 4 * output.stride))
    with code.loop(source.shape.channels, *moves) as (plane, out):
        for row in range(window.output.rows):
            for start, lanes in chunks(window.output.columns):
                total = _pooled(code, window, plane, row, (start, lanes), mean=mean)
                code.store(total, out, 4 * (row * window.output.columns + start), lanes)
    return code


def _pooled(
    code: Function, window: Window, plane: Pointer, row: int, part: tuple[int, int], *, mean: bool
) -> Vector:
    fill, join = (0.0, code.add) if mean else (float("-inf"), code.maximum)
    left, right = _limits(window, *part)
    width, first = right - left, row * window.stride[0] - window.padding[0]
    value: Vector | None = None
    for line in range(max(first, 0), min(first + window.size[0], window.source.rows)):
        if width > 0:
            found = code.load(plane, 4 * (line * window.source.columns + left), width)
            value = found if value is None else join(value, found, width)
    piece = Segment(value, left, max(width, 0))
    total: Vector | None = None
    for shift in range(window.size[1]):
        met = _shifted(code, window, piece, part, shift=shift, fill=fill)
        total = met if total is None else join(total, met, part[1])
    assert total is not None
    return code.scale(total, 1 / (window.size[0] * window.size[1]), part[1]) if mean else total


def pointwise(
    channels: int,
    numbers: int,
    strides: tuple[int, int, int | None],
    lanes: int,
    *,
    scaled: bool,
    relu: bool,
) -> Function:
    """Return ``scale · x + shift``, the sum with a residual, and ReLU, each if wanted.

    Args:
        channels: number of channels.
        numbers: floats of each channel.
        strides: floats between channels of input, output and residual; None for no residual.
        lanes: lanes of a vector; the last one may extend beyond the end of a channel.
        scaled: whether there is a scale and a shift.
        relu: whether negative numbers become 0.

    """
    code = Function("source", "output", "residual", "scale", "shift")
    source, output, residual = strides
    moves = (
        *(("%source", 4 * source), ("%output", 4 * output), ("%residual", 4 * (residual or 0))),
        *(("%scale", 4), ("%shift", 4)),
    )
    with code.loop(channels, *moves) as (values, out, added, scale, shift):
        if scaled:
            factor = code.splat(code.load(scale, 0, 1), lanes)
            offset = code.splat(code.load(shift, 0, 1), lanes)
        step, times = 4 * lanes, -(-numbers // lanes)
        with code.loop(times, (values, step), (out, step), (added, step)) as (one, place, other):
            value = code.load(one, 0, lanes)
            if scaled:
                value = code.multiply_add(offset, value, factor, lanes)
            if residual is not None:
                value = code.add(value, code.load(other, 0, lanes), lanes)
            code.store(code.relu(value, lanes) if relu else value, place, 0, lanes)
    return code


def move(channels: int, numbers: int, source: int, output: int) -> Function:
    """Return the kernel that copies channels of ``numbers`` floats between two channel strides."""
    code = Function("source", "output")
    with code.loop(channels, ("%source", 4 * source), ("%output", 4 * output)) as (values, out):
        whole = numbers // CHUNK
        if whole:
            step = 4 * CHUNK
            with code.loop(whole, (values, step), (out, step)) as (one, place):
                code.store(code.load(one, 0, CHUNK), place, 0, CHUNK)
        for start, lanes in chunks(numbers % CHUNK):
            begin = 4 * (whole * CHUNK + start)
            code.store(code.load(values, begin, lanes), out, begin, lanes)
    return code
