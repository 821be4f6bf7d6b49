"""The largest of many scores in a few passes over memory: exact, and without sorting them.

A sample gives two values between which the smallest kept score must lie, one pass finds the few
scores between them, and another writes the mask. A wrong guess costs a pass, never a wrong bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, inf, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[Any]
Flags = NDArray[np.bool_]
PIECE = 1 << 17  # scores that stay in a core's cache with their flags
SAMPLE = 1 << 14
FEW = 1 << 16  # this many are sorted at once
SPREADS = 4  # standard deviations on each side of the guess; one in thousands is wrong


class Found(NamedTuple):
    """The smallest kept score; the number of equal ones to keep, and the number of equal ones."""

    score: float
    wanted: int
    there: int


def write_largest(score: Scores, count: int, among: Flags, total: int, kept: Flags) -> None:
    """Mark in ``kept`` the ``count`` largest scores ``among`` the marked positions.

    Of equal scores the later ones are kept.

    Args:
        score: (N,) numbers, none of them NaN.
        count: how many to keep, at least 1 and fewer than ``total``.
        among: (N,) the positions that may be kept.
        total: the number of these positions.
        kept: (N,) the output.

    """
    step = len(score) // SAMPLE or 1
    low, high = _bracket(score[::step][among[::step]], count / total)
    above, between = _between(score, among, low, high)
    while not above < count <= above + len(between):
        low, high = (high, inf) if above >= count else (-inf, low)
        above, between = _between(score, among, low, high)
    found = _smallest(between, count - above)
    compare = np.greater_equal if found.wanted == found.there else np.greater
    for part in _pieces(len(score)):
        compare(score[part], found.score, out=kept[part])
        kept[part] &= among[part]
    if found.wanted < found.there:
        _keep_the_last(score, found, among, kept)


def _pieces(length: int) -> Iterator[slice]:
    return (slice(start, start + PIECE) for start in range(0, length, PIECE))


def _bracket(sample: Scores, share: float) -> tuple[float, float]:
    """Return two values that very likely enclose the smallest kept score, or equal it."""
    ordered, size = np.sort(sample), len(sample)
    middle = size * (1 - share)
    margin = SPREADS * sqrt(size * share * (1 - share)) + 2
    first, last = floor(middle - margin), ceil(middle + margin)
    return (
        -inf if first < 0 else float(ordered[first]),
        inf if last >= size else float(ordered[last]),
    )


def _between(score: Scores, among: Flags, low: float, high: float) -> tuple[int, Scores]:
    """Return the number of marked scores above ``high``, and those from ``low`` to ``high``."""
    above, inside = 0, []
    more, enough = np.empty(PIECE, bool), np.empty(PIECE, bool)
    for part in _pieces(len(score)):
        values, marked = score[part], among[part]
        over, least = more[: len(values)], enough[: len(values)]
        np.greater(values, high, out=over)
        np.greater_equal(values, low, out=least)
        over &= marked
        least &= marked
        least ^= over
        above += int(np.count_nonzero(over))
        inside.append(values[np.flatnonzero(least)])
    return above, np.concatenate(inside)


def _smallest(values: Scores, count: int) -> Found:
    """Return the smallest of the ``count`` largest values."""
    above = 0
    while len(values) > FEW:
        sample = values[:: len(values) // SAMPLE or 1]
        low, high = _bracket(sample, (count - above) / len(values))
        if low == high:
            more = above + int(np.count_nonzero(values > low))
            there = int(np.count_nonzero(values == low))
            if more < count <= more + there:
                return Found(low, count - more, there)
        more = above + int(np.count_nonzero(values > high))
        inside = values[(values >= low) & (values <= high)]
        if not more < count <= more + len(inside) or len(inside) == len(values):
            break
        above, values = more, inside
    rank = len(values) - (count - above)
    smallest = np.partition(values, rank)[rank]
    more = above + int(np.count_nonzero(values > smallest))
    return Found(float(smallest), count - more, int(np.count_nonzero(values == smallest)))


def _keep_the_last(score: Scores, found: Found, among: Flags, kept: Flags) -> None:
    """Mark the last of the scores that equal the smallest kept one."""
    left = found.wanted
    for part in reversed(list(_pieces(len(score)))):
        equal = score[part] == found.score
        equal &= among[part]
        there = int(np.count_nonzero(equal))
        if there <= left:
            kept[part] |= equal
            left -= there
        else:
            kept[part][np.flatnonzero(equal)[there - left :]] = True
            return
