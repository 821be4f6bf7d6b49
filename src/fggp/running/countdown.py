"""Progress lines: the accuracy of a finished training, the count, and the time left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from fggp.data.sizes import Size
from fggp.foundation.errors import ResultError
from fggp.foundation.quantities import duration
from fggp.study import costs
from fggp.study.cell import Cell
from fggp.study.costs import Device
from fggp.study.result_file import read_typed


def work_of(cells: Iterable[Cell], size: Size, device: Device) -> dict[str, float]:
    """Return the estimated seconds of cells by name; their epochs if one has no estimate."""
    listed = list(cells)
    seconds = {cell.id: costs.seconds(cell, size, device) for cell in listed}
    known = {name: each for name, each in seconds.items() if each is not None}
    return known if len(known) == len(seconds) else {it.id: costs.epochs(it) for it in listed}


def came_to(out: Path) -> str:
    """Return accuracy, time and failure of a result: "91.2 % test accuracy, 41 s"; or ""."""
    try:
        _, outcome, provenance = read_typed(out)
    except ResultError:
        return ""
    share = outcome.accuracy.last.correct / outcome.images.test
    failed = "" if outcome.completed else f" ({outcome.verdict})"
    accuracy = f"{100 * share:.1f} % test accuracy{failed}"
    return f"{accuracy}, {duration(provenance.seconds)}"


class Countdown:
    """Counts down trainings, by the clock and the work of the finished ones.

    Args:
        work: work of each cell that may be trained, in any one unit.
        expected: number of cells to train; by default all.

    """

    def __init__(self, work: Mapping[str, float], expected: int | None = None) -> None:
        self._left, self._work_done, self.done = dict(work), 0.0, 0
        self.expected = len(work) if expected is None else expected
        self._began = time.monotonic()

    def finish(self, name: str, out: Path) -> str:
        """Count a cell as trained; returns "91.2 % test accuracy, 41 s; 3 of 52, …" for it."""
        self._work_done += self._left.pop(name, 0.0)
        self.done += 1
        count = f"{self.done} of {max(self.expected, self.done)}"
        left = self.seconds_left
        waits = f", about {duration(left)} left" if left else ""
        return "; ".join(filter(None, [came_to(out), f"{count}{waits}"]))

    @property
    def seconds_left(self) -> float:
        """Seconds until all are trained, if the work continues at the same pace; 0 for none."""
        to_come = self.expected - self.done
        if to_come <= 0 or not self._left or not self._work_done:
            return 0.0
        work = to_come * sum(self._left.values()) / len(self._left)
        return (time.monotonic() - self._began) * work / self._work_done
