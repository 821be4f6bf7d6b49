"""A convolution over runs of consecutive numbers."""

from __future__ import annotations

from fggp.fast.ir import Function, Pointer, zero
from fggp.fast.kernels.products import add_products
from fggp.fast.layout import Tile

ARGUMENTS = ("source", "output", "residual", "rows", "entries", "bias")


def convolution(
    way: Tile, outputs: int, stride: int, residual: int | None, *, relu: bool
) -> Function:
    """Return a convolution that adds a residual and applies ReLU as it writes.

    For each tile, for each block of input channels, for each output channel: the sums of the tile
    stay in registers while all kept weights of the row are applied. Each block sums from 0 and is
    added to the result of the blocks before, which rounds less than continuing their sum.

    Args:
        way: the order of the outputs.
        outputs: output channels.
        stride: floats between output channels.
        residual: floats between the channels of the residual; None adds nothing.
        relu: whether negative sums become 0.

    """
    code = Function(*ARGUMENTS)
    step = 4 * way.width
    starts = (("%source", step), ("%output", step), ("%residual", step))
    with code.loop(way.tiles, *starts) as (source, output, added):

        def block(rows: Pointer, *, first: bool, last: bool) -> None:
            moves = (
                *((output, 4 * stride), (added, 4 * (residual or 0))),
                *((rows, 4), ("%bias", 4)),
            )
            with code.loop(outputs, *moves) as pointers:
                tail = residual is not None and last
                _row(code, way, (source, *pointers), first=first, residual=tail, relu=relu and last)

        block("%rows", first=True, last=way.blocks == 1)
        if way.blocks > 2:
            second = code.at("%rows", 4 * outputs)
            with code.loop(way.blocks - 2, (second, 4 * outputs)) as (rows,):
                block(rows, first=False, last=False)
        if way.blocks > 1:
            final = code.at("%rows", 4 * outputs * (way.blocks - 1))
            block(final, first=False, last=True)
    return code


def _row(
    code: Function,
    way: Tile,
    pointers: tuple[Pointer, ...],
    *,
    first: bool,
    residual: bool,
    relu: bool,
) -> None:
    """Write one output channel of a tile, for one block of input channels."""
    source, output, added, rows, bias = pointers
    lanes, places = way.lanes, [4 * way.lanes * it for it in range(way.vectors)]
    start = code.splat(code.load(bias, 0, 1), lanes) if first else zero(lanes)
    groups = [[start] * way.vectors] + [[zero(lanes)] * way.vectors] * (way.unroll - 1)
    begin, end = code.integer(rows, 0), code.integer(rows, 4)

    def products(begin: str, groups: list[list[str]], together: int) -> tuple[list[list[str]], str]:
        return add_products(
            code, source, places, groups, limits=(begin, end), lanes=lanes, together=together
        )

    groups, begin = products(begin, groups, way.unroll)
    sums = groups[0]
    if way.unroll > 1:
        for group in groups[1:]:
            sums = [code.add(one, other, lanes) for one, other in zip(sums, group, strict=True)]
        (sums,), _ = products(begin, [sums], 1)
    for place, total in zip(places, sums, strict=True):
        result = total
        if not first:
            result = code.add(result, code.load(output, place, lanes), lanes)
        if residual:
            result = code.add(result, code.load(added, place, lanes), lanes)
        code.store(code.relu(result, lanes) if relu else result, output, place, lanes)
