"""The width factor."""

from fractions import Fraction
from math import floor


def channels(full: int, width: Fraction) -> int:
    """Return ``full`` channels times ``width``, rounded half up, at least 1."""
    return max(1, floor(full * width + Fraction(1, 2)))
