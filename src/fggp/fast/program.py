"""A schedule as one module of LLVM IR, and its arrays as one block of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from fggp.fast.ir import Function, Pointer
from fggp.fast.schedule import Buffer, Call, Schedule

ALIGNMENT = 64
ENTRY = "forward"
"""The function ``(images, logits, memory, arrays, number of images or groups)``."""


@dataclass(frozen=True)
class Program:
    """The compiled code and its data.

    Attributes:
        text: the IR; its function `ENTRY` computes a number of images, or of groups of them.
        arrays: kept weights, pointers to them, biases, each at a multiple of 64 bytes.
        floats: working memory of a call of `ENTRY`, in floats.

    """

    text: str
    arrays: bytes
    floats: int


class _Writer:
    """Writes the function that calls all kernels."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.code = Function("images", "logits", "memory", "arrays", number="count")
        self.names: dict[str, str] = {}
        self.arrays = bytearray()

    def program(self) -> Program:
        schedule, code = self.schedule, self.code
        taken = 4 * prod(schedule.image)
        given = 4 * prod(schedule.output.seen)
        each = [it for it in schedule.calls if not it.grouped]
        together = [it for it in schedule.calls if it.grouped]
        group = schedule.images
        moves = (("%images", group * taken), ("%logits", group * given))
        with code.loop("%count", *moves) as (images, logits):
            lanes = ((images, taken), ("%memory", 4))
            with code.loop(group, *lanes) as (image, lane):
                self._calls(each, {"images": image, "logits": logits, "lane": lane})
            self._calls(together, {"logits": logits})
        parts = ["attributes #0 = { nounwind }"]
        parts += [text.replace("@NAME(", f"@{name}(") for text, name in self.names.items()]
        parts.append(code.text(ENTRY, linkage=""))
        slack = schedule.processor.lanes * schedule.processor.registers
        return Program("\n".join(parts), bytes(self.arrays), schedule.floats + slack)

    def _calls(self, calls: Sequence[Call], given: dict[str, Pointer]) -> None:
        for call in calls:
            places = []
            for number, place in enumerate(call.places):
                if isinstance(place, Buffer):
                    memory = given["lane"] if call.lane and number == 1 else "%memory"
                    places.append(self.code.at(memory, 4 * place.offset))
                else:
                    places.append(given[place])
            places += [self.code.at("%arrays", self._keep(it)) for it in call.arrays]
            text = call.function.text("NAME")
            name = self.names.setdefault(text, f"kernel{len(self.names)}")
            self.code.emit(f"call void @{name}({', '.join(f'ptr {it}' for it in places)})")

    def _keep(self, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> int:
        start = len(self.arrays)
        self.arrays += array.tobytes()
        self.arrays += bytes(-len(self.arrays) % ALIGNMENT)
        return start


def write(schedule: Schedule) -> Program:
    """Return the program of a schedule."""
    return _Writer(schedule).program()
