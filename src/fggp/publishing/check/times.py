"""Checks of time stamps, devices and energy of a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from fggp.publishing.check.problems import Item, Problem

KIND, DEVICES = "times", "devices"
CLOCKS = timedelta(minutes=10)
"""The largest difference between the clocks of two machines."""
ROUNDING = 2.0
"""Largest error, in seconds, of the difference of two time stamps to the second."""


def times(item: Item) -> Iterator[Problem]:
    """Check that the run began before it ended, both in the past, and counted only its own energy.

    A run that moved between types of devices is a warning: its bits are those of neither.
    """
    yield from _energy(item)
    yield from _devices(item)
    provenance = item.provenance
    try:
        started, finished = (
            datetime.fromisoformat(text) for text in (provenance.started, provenance.finished)
        )
        duration = (finished - started).total_seconds()
        ahead = finished - datetime.now(UTC)
    except (ValueError, TypeError):
        found = f"{provenance.started!r} and {provenance.finished!r}"
        yield item.problem(KIND, f"started and finished are {found}, not times with a zone")
        return
    if duration < 0:
        yield item.problem(KIND, "it finished before it started")
    elif provenance.seconds + ROUNDING < duration:
        text = f"{provenance.seconds} seconds between time stamps {duration:g} seconds apart"
        yield item.problem(KIND, text, "check whether its machine was suspended", "warning")
    if ahead > CLOCKS:
        text = f"it finished at {provenance.finished}, which is in the future"
        yield item.problem(KIND, text, "correct the clocks of both machines", "warning")


def _energy(item: Item) -> Iterator[Problem]:
    own, counter = item.provenance.energy_joules, item.provenance.counter_joules
    if (own is None) != (counter is None) or (own or 0) > (counter or 0):
        yield item.problem(KIND, f"{own} joules of a counter that rose by {counter}")


def _devices(item: Item) -> Iterator[Problem]:
    provenance = item.provenance
    names = provenance.device_names
    if names is not None and names[-1] != provenance.device_name:
        yield item.problem(DEVICES, f"{provenance.device_name} ended it, and {names[-1]} is listed")
    if provenance.moved:
        text = f"it was trained on several types of devices: {provenance.devices}"
        fix = "to get the bits of one type, delete it and train the cell again there"
        yield item.problem(DEVICES, text, fix, "warning")
