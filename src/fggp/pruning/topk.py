"""Exact counts and exact top-k by index.

One ascending order applies everywhere: (score, layer order, flat index). Dropping takes the front
of it; keeping, growing and restoring take the back. Vectors are flat over all prunable tensors in
layer order, so position in the vector is the (layer, flat index) part of that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, inf
from typing import TYPE_CHECKING

from fggp.pruning.topk_cpu import write_largest
from fggp.pruning.topk_gpu import largest_on_gpu

if TYPE_CHECKING:
    from torch import Tensor

MANY = 1 << 15  # number of scores from which a few passes are faster than ordering them
NUMPY_HAS = 4  # bytes of the smallest floating-point numbers that numpy compares fast


def keep_largest(score: Tensor, count: int, among: Tensor) -> Tensor:
    """Return the mask of the ``count`` largest scores ``among`` the marked positions.

    Args:
        score: (N,) finite numbers.
        count: how many to keep, from 0 to the number of marked positions.
        among: (N,) bool.

    Raises:
        ValueError: when ``count`` is negative or exceeds the marked positions.

    """
    total = int(among.count_nonzero())
    if not 0 <= count <= total:
        raise ValueError(f"cannot keep {count} of {total} positions")
    if count in {0, total}:
        return among.clone() if count else among.new_zeros(among.shape)
    if len(score) >= MANY and score.device.type == "cpu" and _is_ordered(score):
        values = score.detach().contiguous()
        values = values.float() if values.itemsize < NUMPY_HAS else values
        kept = among.new_empty(among.shape)
        write_largest(values.numpy(), count, among.contiguous().numpy(), total, kept.numpy())
        return kept
    if len(score) >= MANY and score.device.type != "cpu":
        found = largest_on_gpu(score, count, among, total)
        if found is not None:
            return found
    return keep_largest_plainly(score, count, among)


def keep_largest_plainly(score: Tensor, count: int, among: Tensor) -> Tensor:
    """Return the mask of `keep_largest`, found from the order of all marked scores.

    For short vectors, where it is faster, and for scores with NaN, which count as infinite;
    ``count`` is at least 1.
    """
    positions = among.nonzero().squeeze(1)
    kept = among.new_zeros(among.shape)
    values = score[positions]
    values = values.masked_fill(values.isnan(), inf) if values.is_floating_point() else values
    smallest_kept = _ascending(values, len(positions) - count)
    chosen = values > smallest_kept
    ties = (values == smallest_kept).nonzero().squeeze(1)
    chosen.index_fill_(0, ties[len(ties) - (count - int(chosen.sum())) :], True)
    return kept.index_fill_(0, positions[chosen], True)


def keep_share(score: Tensor, share: Fraction, sizes: Sequence[int], among: Tensor) -> Tensor:
    """Return the mask of the largest scores of each layer, a share of its weights.

    It keeps ceil(share·N_l) of a layer's N_l weights, or all its marked positions if it has fewer.

    Args:
        score: (N,) finite numbers.
        share: share to keep, from 0 to 1.
        sizes: N_l per layer, in layer order.
        among: (N,) bool, the positions that may be kept.

    """
    kept = among.clone()
    layers = zip(*(vector.split_with_sizes(list(sizes)) for vector in (score, kept)), strict=True)
    for values, marked in layers:
        least = min(ceil(share * len(values)), int(marked.count_nonzero()))
        marked.copy_(keep_largest(values, least, marked))
    return kept


def keep_largest_in_groups(score: Tensor, shape: Sequence[int], group: int, keep: int) -> Tensor:
    """Return the mask of the ``keep`` largest scores of every ``group`` of input channels.

    Args:
        score: (N,) finite numbers, of one layer.
        shape: shape of the layer: output channels, input channels, and kernel size, if any.
        group: number of neighbouring input channels in a group; it divides their number.
        keep: number of positions to keep in a group.

    """
    groups = score.view(shape[0], shape[1] // group, group, -1)
    order = groups.sort(dim=2, stable=True).indices  # among ties the later position is kept
    nothing = order < 0
    return nothing.scatter_(2, order[:, :, group - keep :], True).view(-1)


def _is_ordered(score: Tensor) -> bool:
    """Whether the scores are floating-point numbers without a NaN, which has no order."""
    return score.is_floating_point() and not bool(score.detach().amin().isnan())


def _ascending(values: Tensor, rank: int) -> Tensor:
    """Return the value at ``rank`` (from 0) of the ascending order."""
    if values.device.type != "cpu":  # kthvalue is an order of magnitude slower than a sort there
        return values.sort().values[rank]
    return values.kthvalue(rank + 1).values
