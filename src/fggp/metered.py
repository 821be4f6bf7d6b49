"""A checkpoint that carries the energy of a training from one attempt to the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fggp.cell import Cell
from fggp.checkpoint import Checkpoint
from fggp.metering.devices import counter_of
from fggp.metering.meter import Joules, Meter
from fggp.train import Tick

SHARED = 0.95
"""Below this part of its counter a training had company; a little is always the system's."""


class Metered(Checkpoint):
    """A checkpoint that also carries the energy spent so far, where it is measured."""

    def __init__(self, path: Path, cell: Cell, device: str) -> None:
        super().__init__(path, cell, device)
        self.meter = Meter(counter_of(device))

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by ``state`` and the energy."""
        spent = self.meter.read()
        super().save(state | {"joules": None if spent is None else [spent.own, spent.counter]})

    def load(self) -> dict[str, Any] | None:
        """Return the saved state and take its energy over; checkpoints from before have none."""
        state = super().load()
        if state is not None:
            before = state.get("joules")
            self.meter.add(None if before is None else Joules(*before))
        return state

    def ticking(self, tick: Tick) -> Tick:
        """Return a ``tick`` that also looks after the meter."""

        def both(done: int, steps: int) -> None:
            self.meter.glance()
            tick(done, steps)

        return both

    def energy(self) -> dict[str, Any]:
        """Return the energy of the training for its provenance; None where it was not measured.

        ``energy_joules`` is its part, ``counter_joules`` what the whole device took meanwhile.
        """
        spent = self.meter.read()
        if spent is None:
            return dict.fromkeys(("energy_joules", "counter_joules", "energy_shared"))
        return {
            "energy_joules": round(spent.own, 3),
            "counter_joules": round(spent.counter, 3),
            "energy_shared": spent.own < SHARED * spent.counter,
        }
