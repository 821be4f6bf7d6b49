"""The energy of a training, from the counter of its device: measured or unknown, not estimated."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

SECONDS = 30.0
"""Seconds between readings of a counter: short enough that it cannot wrap around unnoticed."""


@dataclass(frozen=True)
class Reading:
    """The increase of a counter.

    Attributes:
        joules: energy of the whole device, whoever used it.
        shared: whether others may have used the device meanwhile.

    """

    joules: float
    shared: bool

    def __add__(self, other: Reading) -> Reading:
        return Reading(self.joules + other.joules, self.shared or other.shared)


class Counter(Protocol):
    """Counts the energy of a device."""

    def since(self) -> Reading | None:
        """Return the energy since the last call, None if it is unknown."""


class Meter:
    """Adds up the energy of a training from now on; the sum is unknown once a part is.

    Args:
        counter: counter of the device that trains; None if there is none.
        clock: monotonic clock, in seconds.

    """

    def __init__(
        self, counter: Counter | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._counter, self._clock = counter, clock
        self._spent: Reading | None = None if counter is None else Reading(0.0, False)
        self._next = clock() + SECONDS

    def add(self, before: Reading | None) -> None:
        """Add the energy of earlier attempts, None if that is unknown."""
        self._spent = None if self._spent is None or before is None else self._spent + before

    def read_when_due(self) -> None:
        """Read the counter if a reading is due; costs nothing otherwise."""
        if self._spent is not None and self._clock() >= self._next:
            self.read()

    def read(self) -> Reading | None:
        """Return the energy up to now, earlier attempts included; None if it is unknown."""
        if self._spent is not None and self._counter is not None:
            new = self._counter.since()
            self._spent = None if new is None else self._spent + new
            self._next = self._clock() + SECONDS
        return self._spent

    def record(self) -> dict[str, Any]:
        """Return the energy up to now for the provenance of a result; None if it is unknown.

        ``counter_joules`` is that of the whole device. ``energy_joules`` is the training's, known
        only if nobody else used the device (``energy_shared``), so that sums count nothing twice.
        """
        spent = self.read()
        if spent is None:
            return dict.fromkeys(("energy_joules", "counter_joules", "energy_shared"))
        joules = round(spent.joules, 3)
        return {
            "energy_joules": None if spent.shared else joules,
            "counter_joules": joules,
            "energy_shared": spent.shared,
        }
