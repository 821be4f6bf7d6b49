"""LLVM IR as text, one function at a time.

Addresses are bytes, sizes of vectors are lanes of float32, and a vector of one lane is a scalar.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

Pointer = str
Vector = str


def kind(lanes: int) -> str:
    """Return the type of a vector of float32."""
    return f"<{lanes} x float>" if lanes > 1 else "float"


def truth(lanes: int) -> str:
    """Return the type of a comparison of two vectors."""
    return f"<{lanes} x i1>" if lanes > 1 else "i1"


def zero(lanes: int) -> Vector:
    """Return the constant 0 in all lanes."""
    return "zeroinitializer" if lanes > 1 else "0.0"


def constant(value: float) -> str:
    """Return a float32 as IR writes it: the bits of the same number in float64."""
    return f"0x{np.float64(np.float32(value)).view(np.uint64):016X}"


def everywhere(value: float, lanes: int) -> Vector:
    """Return a constant in all lanes."""
    one = constant(value)
    return one if lanes == 1 else "<" + ", ".join([f"float {one}"] * lanes) + ">"


class Function:
    """The text of a function without a result, written block by block.

    Args:
        arguments: names of its pointers.
        number: the name of an i64 that it takes as its last argument, if any.

    """

    def __init__(self, *arguments: str, number: str | None = None) -> None:
        self.head = ", ".join(
            [f"ptr noalias %{it}" for it in arguments] + ([f"i64 %{number}"] if number else [])
        )
        self.lines: list[str] = []
        self.count = 0
        self.block = "entry"

    def text(self, name: str, linkage: str = "internal ") -> str:
        """Return the whole function under a name."""
        body = "\n".join(self.lines)
        return f"define {linkage}void @{name}({self.head}) #0 {{\nentry:\n{body}\n  ret void\n}}"

    def name(self) -> str:
        """Return an unused name."""
        self.count += 1
        return f"%v{self.count}"

    def emit(self, line: str) -> None:
        """Add an instruction."""
        self.lines.append(f"  {line}")

    def let(self, expression: str, into: str | None = None) -> str:
        """Add an instruction with a result; returns its name."""
        result = into or self.name()
        self.emit(f"{result} = {expression}")
        return result

    def begin(self, label: str) -> None:
        """Begin a block."""
        self.lines.append(f"{label}:")
        self.block = label

    def labels(self, *names: str) -> list[str]:
        """Return unused labels."""
        self.count += 1
        return [f"{name}{self.count}" for name in names]

    def at(self, pointer: Pointer, offset: int | str) -> Pointer:
        """Return a pointer some bytes further."""
        if offset == 0:
            return pointer
        return self.let(f"getelementptr i8, ptr {pointer}, i64 {offset}")

    def load(self, pointer: Pointer, offset: int, lanes: int) -> Vector:
        """Read a vector."""
        return self.let(f"load {kind(lanes)}, ptr {self.at(pointer, offset)}, align 4")

    def store(self, value: Vector, pointer: Pointer, offset: int, lanes: int) -> None:
        """Write a vector."""
        self.emit(f"store {kind(lanes)} {value}, ptr {self.at(pointer, offset)}, align 4")

    def integer(self, pointer: Pointer, offset: int, *, signed: bool = False) -> str:
        """Read an i32 as an i64."""
        short = self.let(f"load i32, ptr {self.at(pointer, offset)}, align 4")
        return self.let(f"{'sext' if signed else 'zext'} i32 {short} to i64")

    def splat(self, scalar: str, lanes: int) -> Vector:
        """Return a scalar in all lanes."""
        if lanes == 1:
            return scalar
        one = self.let(f"insertelement {kind(lanes)} poison, float {scalar}, i32 0")
        mask = f"<{lanes} x i32> zeroinitializer"
        return self.let(f"shufflevector {kind(lanes)} {one}, {kind(lanes)} poison, {mask}")

    def add(self, one: Vector, other: Vector, lanes: int) -> Vector:
        """Return a sum."""
        return self.let(f"fadd {kind(lanes)} {one}, {other}")

    def scale(self, value: Vector, factor: float, lanes: int) -> Vector:
        """Return a vector times a constant."""
        return self.let(f"fmul {kind(lanes)} {value}, {everywhere(factor, lanes)}")

    def multiply_add(
        self, total: Vector, one: Vector, other: Vector, lanes: int, into: str | None = None
    ) -> Vector:
        """Return ``total + one · other``, rounded once where the processor can.

        This is not ``llvm.fma``, which must round once: without the instruction, that is a slow
        call.
        """
        product = self.let(f"fmul contract {kind(lanes)} {one}, {other}")
        return self.let(f"fadd contract {kind(lanes)} {total}, {product}", into)

    def relu(self, value: Vector, lanes: int) -> Vector:
        """Return the value where it is not negative, else 0; NaN stays, as in torch."""
        below = self.let(f"fcmp olt {kind(lanes)} {value}, {zero(lanes)}")
        choice = f"{kind(lanes)} {zero(lanes)}, {kind(lanes)} {value}"
        return self.let(f"select {truth(lanes)} {below}, {choice}")

    def maximum(self, one: Vector, other: Vector, lanes: int) -> Vector:
        """Return the larger value; NaN wins, as in torch."""
        less = self.let(f"fcmp olt {kind(lanes)} {one}, {other}")
        unknown = self.let(f"fcmp uno {kind(lanes)} {other}, {other}")
        take = self.let(f"or {truth(lanes)} {less}, {unknown}")
        choice = f"{kind(lanes)} {other}, {kind(lanes)} {one}"
        return self.let(f"select {truth(lanes)} {take}, {choice}")

    def shuffle(
        self, value: Vector, lanes: int, chosen: Sequence[int], otherwise: float = 0.0
    ) -> Vector:
        """Return chosen lanes of a vector; -1 means the number ``otherwise``."""
        if len(chosen) == 1:
            if chosen[0] < 0:
                return constant(otherwise)
            if lanes == 1:
                return value
            return self.let(f"extractelement {kind(lanes)} {value}, i32 {chosen[0]}")
        if lanes == 1:
            lanes, value = 2, self.let(f"insertelement {kind(2)} poison, float {value}, i32 0")
        mask = ", ".join(f"i32 {it if it >= 0 else lanes}" for it in chosen)
        fill = f"{kind(lanes)} {everywhere(otherwise, lanes)}"
        return self.let(
            f"shufflevector {kind(lanes)} {value}, {fill}, <{len(chosen)} x i32> <{mask}>"
        )

    @contextmanager
    def loop(
        self, times: int | str, *pointers: tuple[Pointer, int]
    ) -> Iterator[tuple[Pointer, ...]]:
        """Repeat the instructions inside ``times`` times, at least once.

        Args:
            times: number of repetitions, or the name of an i64.
            pointers: start of each pointer, and the bytes by which it advances each time.

        Yields:
            The pointers inside the loop.

        """
        if times == 1:
            yield tuple(start for start, _ in pointers)
            return
        before, (body, after) = self.block, self.labels("loop", "done")
        self.emit(f"br label %{body}")
        self.begin(body)
        index, next_index = self.name(), self.name()
        inside = tuple(self.name() for _ in pointers)
        following = tuple(self.name() for _ in pointers)
        place = len(self.lines)
        yield inside
        latch = self.block
        phis = [f"  {index} = phi i64 [ 0, %{before} ], [ {next_index}, %{latch} ]"]
        for name, then, (start, step) in zip(inside, following, pointers, strict=True):
            phis.append(f"  {name} = phi ptr [ {start}, %{before} ], [ {then}, %{latch} ]")
            self.emit(f"{then} = getelementptr i8, ptr {name}, i64 {step}")
        self.lines[place:place] = phis
        self.emit(f"{next_index} = add i64 {index}, 1")
        more = self.let(f"icmp ult i64 {next_index}, {times}")
        self.emit(f"br i1 {more}, label %{body}, label %{after}")
        self.begin(after)
