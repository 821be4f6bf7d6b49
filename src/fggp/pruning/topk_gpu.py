"""The largest of many scores on a GPU: exact, and without sorting them.

As in `fggp.pruning.topk_cpu`, a sample gives two values between which the smallest kept score must
lie. Only the scores between them are sorted, and only positions of equal scores are looked up. A
wrong guess costs time, never a wrong bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, inf, sqrt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE = 1 << 16
SPREADS = 4  # standard deviations on each side of the guess; one in thousands is wrong


def largest_on_gpu(score: Tensor, count: int, among: Tensor, total: int) -> Tensor | None:
    """Return the mask of the ``count`` largest scores ``among`` the marked positions.

    Of equal scores the later ones are kept. The host waits five times for any number of scores.

    Args:
        score: (N,) numbers.
        count: how many to keep, at least 1 and fewer than ``total``.
        among: (N,) bool, the positions that may be kept.
        total: the number of these positions.

    Returns:
        The (N,) mask, or None if NaN among the scores leaves their order undefined.

    """
    threshold = _smallest_kept(score, count, among, total)
    if threshold is None:
        return None
    kept, ties = (score > threshold) & among, (score == threshold) & among
    above, there = _numbers(kept.count_nonzero(), ties.count_nonzero())
    missing = count - above
    if missing == there:
        return kept | ties
    positions = ties.nonzero().squeeze(1)
    return kept.index_fill_(0, positions[there - missing :], True)


def _smallest_kept(score: Tensor, count: int, among: Tensor, total: int) -> Tensor | None:
    """Return the smallest of the ``count`` largest scores as a scalar tensor; None with NaN."""
    for low, high in _brackets(score, count, among, total):
        inside = (score >= low) & (score <= high) & among
        over = ((score > high) & among).count_nonzero()
        different = ((score != low) & inside).count_nonzero()
        unordered = score.isnan().count_nonzero()
        above, between, others, nan = _numbers(over, inside.count_nonzero(), different, unordered)
        if nan:
            return None
        if above < count <= above + between:
            if not others and not isinstance(low, float):  # all are equal
                return low
            return score[inside].sort().values[between - (count - above)]
    return None


def _brackets(
    score: Tensor, count: int, among: Tensor, total: int
) -> Iterator[tuple[Tensor | float, Tensor | float]]:
    """Yield two values that very likely enclose the smallest kept score, then others."""
    step = len(score) // SAMPLE or 1
    ordered = score[::step][among[::step]].sort().values
    size, share = len(ordered), count / total
    middle = size * (1 - share)
    margin = SPREADS * sqrt(size * share * (1 - share)) + 2
    first, last = floor(middle - margin), ceil(middle + margin)
    low = -inf if first < 0 else ordered[first]
    high = inf if last >= size else ordered[last]
    yield low, high
    yield high, inf
    yield -inf, low


def _numbers(*counts: Tensor) -> list[int]:
    """Read counts on the host, which waits for them once."""
    import torch

    return [int(count) for count in torch.stack([count.long() for count in counts]).tolist()]
