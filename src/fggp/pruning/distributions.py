"""The distribution of kept weights over layers, in exact arithmetic."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import gcd, prod

from fggp.foundation.exact import kept_count, largest_remainder

Shape = Sequence[int]
Distribution = Callable[[Sequence[Shape], int], list[int]]


def uniform(shapes: Sequence[Shape], keep: int) -> list[int]:
    """Give every layer the same density; returns kept weights per layer, summing to ``keep``."""
    sizes = [prod(shape) for shape in shapes]
    total = sum(sizes)
    return largest_remainder([Fraction(keep * size, total) for size in sizes], keep)


def n_of_m(shape: Shape, most: int, density: Fraction) -> tuple[int, int]:
    """Return N and M, so that N of every M neighbouring input channels of a layer stay.

    M is the largest power of two up to ``most`` that divides the input channels, and N its share by
    ``density``, at least 1. A layer with an odd number of input channels has M = 1: it is dense.
    """
    group = gcd(shape[1], 2 ** (most.bit_length() - 1))
    return max(1, kept_count(group, 1 - density)), group


def by_scores(
    sizes: Sequence[int], scores: Sequence[float], keep: int, least: Fraction
) -> list[int]:
    """Distribute kept weights in proportion to the scores of layers, some of which may get none.

    Args:
        sizes: number of weights of each layer.
        scores: score of each layer, not negative.
        keep: total number of weights to keep.
        least: least density of each layer, as a share of the overall density; the rest goes by
            scores. A layer that would get more than it has is kept dense, and the others get more.

    Returns:
        Kept weights per layer, summing to ``keep``.

    """
    total, dense = sum(sizes), set[int]()
    shares = [least * keep * size / total for size in sizes]
    while True:
        sparse = [i for i in range(len(sizes)) if i not in dense]
        rest = keep - sum(sizes[i] for i in dense) - sum(shares[i] for i in sparse)
        exact = {i: Fraction(scores[i]) for i in sparse}
        if not any(exact.values()):
            exact = {i: Fraction(sizes[i]) for i in sparse}
        added = {i: rest * exact[i] / sum(exact.values()) for i in sparse}
        full = {i for i in sparse if shares[i] + added[i] > sizes[i]}
        if not full:
            break
        dense |= full
    parts = [Fraction(sizes[i]) if i in dense else shares[i] + added[i] for i in range(len(sizes))]
    return largest_remainder(parts, keep)


def erk(shapes: Sequence[Shape], keep: int) -> list[int]:
    """Erdős–Rényi kernel densities (Evci et al. 2020, section 3.1).

    A layer's kept weights are proportional to the sum of its dimensions; a layer that would get
    more than it has is kept dense and the rest is redistributed, highest density first.

    Returns kept weights per layer, summing to ``keep``.
    """
    sizes = [prod(shape) for shape in shapes]
    sums = [sum(shape) for shape in shapes]
    dense: set[int] = set()
    while True:
        sparse = [i for i in range(len(shapes)) if i not in dense]
        rest = keep - sum(sizes[i] for i in dense)
        scale = Fraction(rest, max(1, sum(sums[i] for i in sparse)))
        if all(scale * sums[i] <= sizes[i] for i in sparse):
            break
        highest = max(Fraction(sums[i], sizes[i]) for i in sparse)
        dense |= {i for i in sparse if Fraction(sums[i], sizes[i]) == highest}
    shares = [Fraction(sizes[i]) if i in dense else scale * sums[i] for i in range(len(shapes))]
    return largest_remainder(shares, keep)
