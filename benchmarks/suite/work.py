"""The options and results of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


class LeftOut(Exception):  # noqa: N818 - nothing went wrong
    """A contender cannot be measured here; the message has the reason."""


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Work:
    """One contender at work.

    Attributes:
        run: the timed call.
        reset: restores the same state before every run; not timed.

    """

    run: Callable[[], object]
    reset: Callable[[], object] = nothing


Factory = Callable[[], Work]


@dataclass(frozen=True)
class Options:
    """Options of a measurement.

    Attributes:
        granet: a copy of the official code's CIFAR folder that runs on a CPU, or None.
        threads: number of threads of every timed process.
        rounds: number of runs of each contender; None for that of the benchmark.
        tiny: sizes at which everything runs in seconds, and times mean nothing.

    """

    granet: Path | None = None
    threads: int = 1
    rounds: int | None = None
    tiny: bool = False

    def times(self, usual: int) -> int:
        """Return the number of rounds of a benchmark."""
        return self.rounds or (1 if self.tiny else usual)


@dataclass(frozen=True)
class Row:
    """The samples of one contender in one case; the first row of a case is ours.

    Attributes:
        benchmark: name of the benchmark.
        case: case of the benchmark.
        contender: the measured contender.
        unit: unit of the numbers.
        wall: one number per round.
        cpu: the same in CPU time, all threads together; empty if it is not a time.
        note: reason for a missing number, or a remark.

    """

    benchmark: str
    case: str
    contender: str
    unit: str
    wall: tuple[float, ...] = ()
    cpu: tuple[float, ...] = ()
    note: str = ""


def over(rows: Sequence[Row], base: str, case: str) -> list[Row]:
    """Return the excess of each row of a case over the row ``base``, round by round."""
    by_name = {row.contender: row for row in rows}
    least = by_name[base]

    def less(mine: tuple[float, ...], other: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(a - b for a, b in zip(mine, other, strict=True))

    return [
        Row(
            row.benchmark,
            case,
            row.contender,
            row.unit,
            less(row.wall, least.wall),
            less(row.cpu, least.cpu),
        )
        for row in rows
        if row.wall and row.contender != base
    ]
