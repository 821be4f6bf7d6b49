"""The innermost loop: kept weights times vectors of input."""

from __future__ import annotations

from collections.abc import Sequence

from fggp.fast.ir import Function, Pointer, Vector, kind

ENTRY_BYTES = 8


def add_products(
    code: Function,
    source: Pointer,
    places: Sequence[int],
    groups: list[list[Vector]],
    *,
    limits: tuple[str, str],
    lanes: int,
    together: int = 1,
) -> tuple[list[list[Vector]], str]:
    """Add the products of a row of kept weights to sums, while ``together`` of them are left.

    Args:
        code: the function to write to, with all kept weights at ``%entries``.
        source: base of the offsets of weights.
        places: bytes from there to the input of each sum.
        groups: the sums; weight n of those applied at once adds to group n.
        limits: start and end of the row, in bytes after ``%entries``.
        lanes: lanes of a vector.
        together: number of weights applied at once.

    Returns:
        The sums after it, and the position where the row continues.

    """
    before, (head, body, after) = code.block, code.labels("head", "body", "after")
    code.emit(f"br label %{head}")
    code.begin(head)
    position, following = code.name(), code.name()
    code.let(f"phi i64 [ {limits[0]}, %{before} ], [ {following}, %{body} ]", position)
    inside = [[code.name() for _ in group] for group in groups]
    then = [
        [code.name() if number < together else name for name in group]
        for number, group in enumerate(inside)
    ]
    for group, names, nexts in zip(groups, inside, then, strict=True):
        for start, name, following_sum in zip(group, names, nexts, strict=True):
            code.let(
                f"phi {kind(lanes)} [ {start}, %{before} ], [ {following_sum}, %{body} ]", name
            )
    end = code.let(f"add i64 {position}, {together * ENTRY_BYTES}")
    enough = code.let(f"icmp ule i64 {end}, {limits[1]}")
    code.emit(f"br i1 {enough}, label %{body}, label %{after}")
    code.begin(body)
    first = code.at("%entries", position)
    for number in range(together):
        offset = code.integer(first, ENTRY_BYTES * number, signed=True)
        scalar = code.load(first, ENTRY_BYTES * number + 4, 1)
        weight, inputs = code.splat(scalar, lanes), code.at(source, offset)
        for place, total, into in zip(places, inside[number], then[number], strict=True):
            value = code.load(inputs, place, lanes)
            code.multiply_add(total, value, weight, lanes, into)
    code.let(f"add i64 {position}, {together * ENTRY_BYTES}", following)
    code.emit(f"br label %{head}")
    code.begin(after)
    return inside, position
