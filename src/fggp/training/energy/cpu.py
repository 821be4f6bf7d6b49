"""The energy of processor packages, from Linux's powercap (Intel's RAPL, AMD's the same way).

Source: the kernel's Documentation/power/powercap and Documentation/filesystems/proc.rst. Reading
the counters is often left to root; then the energy is not known.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fggp.training.energy.meter import Joules

POWERCAP = Path("/sys/class/powercap")
STAT = Path("/proc/stat")
MOST_WATTS = 500.0
"""No package takes more for long. So a counter cannot wrap around in less than its range by this,
and a larger rise is none: it began anew, as after a suspension."""


@dataclass(frozen=True)
class Zone:
    """The counter of one package: its file, and the microjoules after which it begins anew."""

    path: Path
    range: int


class _State(NamedTuple):
    microjoules: list[int]
    own: float
    busy: float
    when: float


class Packages:
    """The energy of all processor packages of this machine, and this process's part of it.

    The part is the process's share of all processor time that the machine spent busy meanwhile:
    neighbours get theirs, and what idle cores take is borne by those that work.

    Args:
        zones: the counters.
        stat: as ``/proc/stat``.
        clock: seconds that never go back.
        own: returns the processor seconds of this process.

    """

    def __init__(
        self,
        zones: list[Zone],
        stat: Path = STAT,
        clock: Callable[[], float] = time.monotonic,
        own: Callable[[], float] = time.process_time,
    ) -> None:
        self.zones, self.stat, self.clock, self.own = zones, stat, clock, own
        self.safe = min(zone.range for zone in zones) * 1e-6 / MOST_WATTS
        self._before = self._state()

    def since(self) -> Joules | None:
        """Return the energy since the last call; None where it is not known.

        Not known either after so long a time that a counter may have wrapped around twice.
        """
        before, now = self._before, self._state()
        self._before = now
        if before is None or now is None:
            return None
        pairs = zip(self.zones, before.microjoules, now.microjoules, strict=True)
        risen = [(new - old) % zone.range * 1e-6 for zone, old, new in pairs]
        seconds = now.when - before.when
        if seconds > self.safe or max(risen) > MOST_WATTS * (seconds + 1):
            return None
        own, busy = now.own - before.own, now.busy - before.busy
        # Processor time is counted in ticks: over a short time the share may seem more than all.
        share = min(1.0, own / busy) if busy > 0 else 1.0
        return Joules(sum(risen) * share, sum(risen))

    def _state(self) -> _State | None:
        try:
            counts = [int(zone.path.read_text()) for zone in self.zones]
            busy = busy_seconds(self.stat.read_text())
        except (OSError, ValueError):
            return None
        if any(not 0 <= n <= zone.range for n, zone in zip(counts, self.zones, strict=True)):
            return None
        return _State(counts, self.own(), busy, self.clock())


def packages(root: Path = POWERCAP) -> Packages | None:
    """Return the packages of this machine; None where a counter is missing or unreadable."""
    try:
        zones = [
            Zone(folder / "energy_uj", int((folder / "max_energy_range_uj").read_text()))
            for folder in sorted(root.glob("intel-rapl:*"))
            if (folder / "name").read_text().startswith("package")
        ]
        for zone in zones:
            zone.path.read_text()
    except (OSError, ValueError):
        return None
    return Packages(zones) if zones and all(zone.range > 0 for zone in zones) else None


def busy_seconds(stat: str) -> float:
    """Return the processor seconds that a machine has spent busy, from its ``/proc/stat``.

    Raises ValueError where the text is another.
    """
    name, *ticks = stat.partition("\n")[0].split()
    if name != "cpu" or len(ticks) < 7:
        raise ValueError("not as /proc/stat is")
    user, nice, system, _, _, interrupts, soft = map(int, ticks[:7])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")
