"""Time stamps and what else is known of a run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from fggp.publishing.check.problems import Item, Problem

KIND = "times"
CLOCKS = timedelta(minutes=10)
"""How far the clocks of two machines may lie apart."""
ROUNDING = 2.0
"""Seconds that two time stamps, to the second, can be off."""


def times(item: Item) -> Iterator[Problem]:
    """Check that the run began before it ended, both in the past, and took its own energy alone."""
    yield from _energy(item)
    provenance = item.provenance
    try:
        started, finished = (
            datetime.fromisoformat(text) for text in (provenance.started, provenance.finished)
        )
        duration = (finished - started).total_seconds()
        ahead = finished - datetime.now(UTC)
    except (ValueError, TypeError):
        found = f"{provenance.started!r} and {provenance.finished!r}"
        yield item.problem(KIND, f"started and finished are {found}, no times with a zone")
        return
    if duration < 0:
        yield item.problem(KIND, "it finished before it started")
    elif provenance.seconds + ROUNDING < duration:
        text = f"{provenance.seconds} seconds between time stamps {duration:g} seconds apart"
        yield item.problem(KIND, text, "see whether its machine was suspended", "warning")
    if ahead > CLOCKS:
        text = f"it finished at {provenance.finished}, which is in the future"
        yield item.problem(KIND, text, "set the clocks of both machines right", "warning")


def _energy(item: Item) -> Iterator[Problem]:
    own, counter = item.provenance.energy_joules, item.provenance.counter_joules
    if (own is None) != (counter is None) or (own or 0) > (counter or 0):
        yield item.problem(KIND, f"{own} joules of a counter that rose by {counter}")
