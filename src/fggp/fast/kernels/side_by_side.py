"""Computations on the small planes of a group of images that lie side by side."""

from __future__ import annotations

from collections.abc import Sequence

from fggp.fast.ir import Function, Pointer, Vector
from fggp.fast.kernels.convolution import ARGUMENTS
from fggp.fast.kernels.products import add_products
from fggp.fast.layout import Planes, Window
from fggp.fast.steps import Pair


def small_convolution(
    window: Window,
    source: Planes,
    output: Planes,
    residual: int | None,
    *,
    lanes: int,
    registers: int,
    relu: bool,
) -> Function:
    """Return a convolution that leaves out products with padding.

    The kept weights of an output channel are sorted by their position in the kernel. For each
    position, only the output pixels at which it meets the input are computed: 16 of 36 products on
    2×2 pixels.
    """
    code = Function(*ARGUMENTS)
    shape, width = window.output, output.images // lanes
    pixels = [(y, x) for y in range(shape.rows) for x in range(shape.columns)]
    sums = [(pixel, vector) for pixel in pixels for vector in range(width)]
    moves = (
        *(("%output", 4 * output.stride), ("%residual", 4 * (residual or 0))),
        *(("%rows", 4 * len(window.taps)), ("%bias", 4)),
    )
    for start in range(0, len(sums), registers):
        part = sums[start : start + registers]
        with code.loop(shape.channels, *moves) as (out, added, rows, bias):
            totals = _totals(code, window, source, part, lanes=lanes, row=(rows, bias))
            for (pixel, vector), total in totals.items():
                number = pixel[0] * shape.columns + pixel[1]
                place = 4 * (number * output.images + vector * lanes)
                result = total
                if residual is not None:
                    result = code.add(total, code.load(added, place, lanes), lanes)
                code.store(code.relu(result, lanes) if relu else result, out, place, lanes)
    return code


def _totals(
    code: Function,
    window: Window,
    source: Planes,
    part: Sequence[tuple[Pair, int]],
    *,
    lanes: int,
    row: tuple[Pointer, Pointer],
) -> dict[tuple[Pair, int], Vector]:
    """Write the sums of some output pixels of a channel."""
    rows, bias = row
    start = code.splat(code.load(bias, 0, 1), lanes)
    totals = dict.fromkeys(part, start)
    begin = code.integer(rows, 0)
    for number, tap in enumerate(window.taps, start=1):
        met, end = window.met(*tap), code.integer(rows, 4 * number)
        use = [it for it in part if it[0] in met]
        if use:
            places = [
                4 * ((row * window.source.columns + column) * source.images + vector * lanes)
                for (row, column), vector in ((met[pixel], vector) for pixel, vector in use)
            ]
            groups = [[totals[it] for it in use]]
            (after,), _ = add_products(
                code, "%source", places, groups, limits=(begin, end), lanes=lanes
            )
            totals |= zip(use, after, strict=True)
        begin = end
    return totals


def small_pool(
    window: Window, source: Planes, output: Planes, lanes: int, *, mean: bool
) -> Function:
    """Return a pooling; see `fggp.fast.kernels.planes.pool`."""
    code = Function("source", "output")
    taps = [window.met(*tap) for tap in window.taps]
    moves = (("%source", 4 * source.stride), ("%output", 4 * output.stride))
    with code.loop(window.output.channels, *moves) as (values, out):
        for number in range(window.output.pixels):
            pixel = divmod(number, window.output.columns)
            met = [it[pixel] for it in taps if pixel in it]
            for vector in range(0, output.images, lanes):
                total = None
                for row, column in met:
                    place = (row * window.source.columns + column) * source.images + vector
                    value = code.load(values, 4 * place, lanes)
                    join = code.add if mean else code.maximum
                    total = value if total is None else join(total, value, lanes)
                assert total is not None, "padding is less than the window"
                if mean:
                    total = code.scale(total, 1 / (window.size[0] * window.size[1]), lanes)
                code.store(total, out, 4 * (number * output.images + vector), lanes)
    return code


def scatter(source: Planes, output: Planes) -> Function:
    """Return the kernel that writes the planes of one image into its place in a group."""
    code = Function("source", "output")
    moves = (("%source", 4 * source.stride), ("%output", 4 * output.stride))
    with code.loop(source.shape.channels, *moves) as (values, out):
        for pixel in range(source.shape.pixels):
            value = code.load(values, 4 * pixel, 1)
            code.store(value, out, 4 * pixel * output.images, 1)
    return code


def gather(source: Planes) -> Function:
    """Return the kernel that writes a group as images one after the other."""
    code = Function("source", "output")
    pixels, size = source.shape.pixels, source.shape.channels * source.shape.pixels
    with code.loop(source.images, ("%source", 4), ("%output", 4 * size)) as (values, out):
        moves = ((values, 4 * source.stride), (out, 4 * pixels))
        with code.loop(source.shape.channels, *moves) as (plane, place):
            for pixel in range(pixels):
                value = code.load(plane, 4 * pixel * source.images, 1)
                code.store(value, place, 4 * pixel, 1)
    return code
