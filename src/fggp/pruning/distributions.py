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
    """Return N and M, so that of every M neighbouring input channels of a layer N stay.

    M is the largest power of two up to ``most`` that divides the input channels, and N its share by
    ``density``, at least 1. A layer with an odd number of input channels has M = 1: it is dense.
    """
    group = gcd(shape[1], 2 ** (most.bit_length() - 1))
    return max(1, kept_count(group, 1 - density)), group


def erk(shapes: Sequence[Shape], keep: int) -> list[int]:
    """Erdős–Rényi kernel densities (Evci et al. 2020, section 3.1).

    A layer's kept weights are proportional to the sum of its dimensions; a layer that would get
    more than it has is kept dense and the rest is spread again, highest density first.

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
