"""Exact fractions, so that a count never depends on the rounding of a float."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer


def ratio(value: Any) -> Fraction:
    """Parse a number exactly as written: 0.95 is 95/100, and "1/8" is one eighth.

    Raises ValueError for anything that is not a finite number.
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a number or a fraction such as 1/8")
    text = str(value).strip()
    try:
        # As a fraction, 1e10000000 would take seconds and then be useless.
        if "/" not in text and (decimal := Decimal(text)) and abs(decimal.adjusted()) > 308:
            raise OverflowError
        number = Fraction(text)
        if number and not float(number):
            raise OverflowError
    except OverflowError:
        raise ValueError(
            f"{text[:40]} is too large or too small a number to compute with"
        ) from None
    except (ValueError, ArithmeticError):
        raise ValueError(f"{value!r} is not a number or a fraction such as 1/8") from None
    return number


def named_ratio(name: str, value: Any) -> Fraction:
    """Parse the argument ``name``; errors begin with its name."""
    try:
        return ratio(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def plain(value: Fraction) -> int | float | str:
    """Write a fraction canonically: 1, 0.125, or "1/3" if no short decimal equals it."""
    if value.denominator == 1:
        return value.numerator
    return float(value) if ratio(float(value)) == value else str(value)


def meant_as_share(value: Fraction) -> str:
    """Return «; did you mean 0.9?» for 90, which was meant in percent; empty for a share."""
    return f"; did you mean {plain(value / 100)}?" if 1 < value < 100 else ""


def percent(value: Fraction) -> str:
    """Write a share as the shortest decimal percentage: 49/50 is "98", 199/200 is "99.5"."""
    return str(plain(value * 100))


def rounded(value: float) -> Fraction:
    """Round an irrational rate to 10⁻⁶; arithmetic is exact from there on."""
    return Fraction(floor(value * 10**6 + 0.5), 10**6)


Ratio = Annotated[Fraction, BeforeValidator(ratio), PlainSerializer(plain)]
Share = Annotated[Ratio, Field(ge=0, le=1)]
NonNegative = Annotated[Ratio, Field(ge=0)]


def kept_count(total: int, sparsity: Fraction) -> int:
    """Return K = N − floor(N·s + 1/2), the number of weights kept out of ``total``."""
    return total - floor(total * sparsity + Fraction(1, 2))


def largest_remainder(shares: Sequence[Fraction], total: int) -> list[int]:
    """Round exact ``shares`` that sum to ``total`` to integers with that sum.

    The largest fractional parts are rounded up; on a tie the earlier share gets the unit.
    """
    counts = [floor(share) for share in shares]
    by_remainder = sorted(range(len(shares)), key=lambda i: counts[i] - shares[i])
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts
