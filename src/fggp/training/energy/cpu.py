"""The energy of processor packages, from Linux's powercap (RAPL of Intel and of AMD).

Source: the kernel's Documentation/power/powercap and Documentation/filesystems/proc.rst. Often
only root can read the counters; then the energy is unknown.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from fggp.training.energy.meter import Reading

POWERCAP = Path("/sys/class/powercap")
STAT = Path("/proc/stat")
MOST_WATTS = 500.0
"""No package draws more for long: a larger rise is a counter that was reset."""
ALONE = 0.95
"""A training with a smaller share of busy processor time was not alone; the system uses some."""


class _State(NamedTuple):
    microjoules: list[int]
    own: float
    busy: float
    when: float


class Packages:
    """The energy of all processor packages; ``zones`` are their folders, ``stat`` is /proc/stat."""

    def __init__(self, zones: list[Path], stat: Path = STAT) -> None:
        self._zones, self._stat = zones, stat
        self._ranges = [
            int((zone / "max_energy_range_uj").read_text(encoding="utf-8")) for zone in zones
        ]
        self._before = self._state()

    def since(self) -> Reading | None:
        """Return the energy since the last call; None if it is unknown.

        It is also unknown after a time in which a counter may have wrapped around twice.
        """
        before, now = self._before, self._state()
        self._before = now
        if before is None or now is None:
            return None
        counters = zip(self._ranges, before.microjoules, now.microjoules, strict=True)
        risen = [(new - old) % size * 1e-6 for size, old, new in counters]
        most = MOST_WATTS * (now.when - before.when + 1)
        if max(risen) > most or most > min(self._ranges) * 1e-6:
            return None
        shared = now.own - before.own < ALONE * (now.busy - before.busy)
        return Reading(sum(risen), shared)

    def _state(self) -> _State | None:
        try:
            counts = [int((zone / "energy_uj").read_text(encoding="utf-8")) for zone in self._zones]
            _, *ticks = self._stat.read_text(encoding="utf-8").partition("\n")[0].split()
            user, nice, system, _, _, interrupts, soft = map(int, ticks[:7])
        except (OSError, ValueError):
            return None
        busy = (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")
        return _State(counts, time.process_time(), busy, time.monotonic())


def packages(root: Path = POWERCAP, stat: Path = STAT) -> Packages | None:
    """Return the packages of this machine; None if a counter is missing or unreadable."""
    try:
        zones = [
            folder
            for folder in sorted(root.glob("intel-rapl:*"))
            if (folder / "name").read_text(encoding="utf-8").startswith("package")
        ]
        found = Packages(zones, stat) if zones else None
    except (OSError, ValueError):
        return None
    return found if found is not None and found.since() is not None else None
