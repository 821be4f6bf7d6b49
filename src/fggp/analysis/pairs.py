"""The grids of methods, and the rivals of the reference method on each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from fggp.analysis.complete_grids import Counts, all_entries, both_starts
from fggp.analysis.plan import Plan
from fggp.analysis.spreads import Noise, margins, noise
from fggp.analysis.stats.paired import Numbers

STARTS = "settings"
NO_STARTS = "backbone x sparsity"


class Pair(NamedTuple):
    """The reference and a rival on the same settings and seeds; arrays are settings × seeds."""

    blocks: str
    reference: str
    rival: str
    counts: Counts

    @property
    def images(self) -> NDArray[np.int64]:
        """The surplus of correct images of the reference over the rival."""
        return self.counts.entry(self.reference) - self.counts.entry(self.rival)

    @property
    def differences(self) -> Numbers:
        """The same in points of accuracy."""
        return (self.images * self.counts.points).astype(np.float64)

    def noise(self, plan: Plan) -> Noise:
        """Return the noise of the differences between seeds."""
        return noise(margins(self.counts.settings), list(self.differences), plan)


def grids(runs: DataFrame) -> Iterator[tuple[str, Counts]]:
    """Yield the complete grids of methods, each with its kind of settings (`STARTS`, `NO_STARTS`).

    The first is of the methods with both starts; the second, if some method has one start, is of
    all methods, those with both starts once per start.
    """
    both, every = both_starts(runs), all_entries(runs)
    if both is not None:
        yield STARTS, both
    if every is not None and "one" in every.starts.values():
        yield NO_STARTS, every


def pairs(runs: DataFrame, plan: Plan) -> list[Pair]:
    """Return the reference with every rival.

    Methods with both starts are compared over backbone × sparsity × start. If the reference or the
    rival has one start, they are compared over backbone × sparsity, once per start of the other.
    """
    found: list[Pair] = []
    both = both_starts(runs)
    if both is not None and plan.reference in both.entries:
        rivals = [entry for entry in both.entries if entry != plan.reference]
        found += [Pair(STARTS, plan.reference, rival, both) for rival in rivals]
    every = all_entries(runs)
    if every is not None:
        own = [entry for entry in every.entries if every.labels[entry] == plan.reference]
        found += [
            Pair(NO_STARTS, entry, rival, every)
            for entry in own
            for rival in every.entries
            if rival not in own and "one" in (every.starts[entry], every.starts[rival])
        ]
    return found


def nothing(plan: Plan) -> str:
    """Return the text of a table without a pair to compare."""
    return (
        f"Nothing to compare: needs the reference method {plan.reference} and a rival "
        "with results in the same settings."
    )
