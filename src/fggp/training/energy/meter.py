"""The energy of a training, from the counters of its machine: measured, or not known at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

GLANCE_SECONDS = 30.0
"""So often a counter is read: before it can wrap around, and when neighbours come and go."""


@dataclass(frozen=True)
class Joules:
    """Energy in joules.

    Attributes:
        own: the training's part, so that sums over trainings count nothing twice.
        counter: what the counter of the whole device rose by, whoever used it.

    """

    own: float
    counter: float

    def __add__(self, other: Joules) -> Joules:
        return Joules(self.own + other.own, self.counter + other.counter)


class Counter(Protocol):
    """What counts the energy of a device."""

    def since(self) -> Joules | None:
        """Return the energy since the last call, None where it is not known."""


class Meter:
    """Adds up the energy of a training from now on; once a part is not known, no sum is.

    Args:
        counter: of the device that trains; None where there is none.
        clock: seconds that never go back.

    """

    def __init__(
        self, counter: Counter | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._counter, self._clock = counter, clock
        self._spent: Joules | None = None if counter is None else Joules(0.0, 0.0)
        self._next = clock() + GLANCE_SECONDS

    def add(self, before: Joules | None) -> None:
        """Add the energy of earlier attempts, None where that is not known."""
        self._spent = None if self._spent is None or before is None else self._spent + before

    def glance(self) -> None:
        """Read the counter where that is due; costs nothing otherwise."""
        if self._spent is not None and self._clock() >= self._next:
            self.read()

    def read(self) -> Joules | None:
        """Return the energy up to now, earlier attempts included; None where it is not known."""
        if self._spent is not None and self._counter is not None:
            new = self._counter.since()
            self._spent = None if new is None else self._spent + new
            self._next = self._clock() + GLANCE_SECONDS
        return self._spent
