"""Quantities as text: durations, sizes, percentages, counts."""

from __future__ import annotations

from collections.abc import Iterable

MINUTE, HOUR, DAY = 60, 3600, 86400
EXACT_CHARACTERS = 9
"""The longest number that `percent` writes exactly: 99.999999."""
PREFIXES = {
    "P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1, "m": 1e-3, "µ": 1e-6,
}  # fmt: skip
"""SI prefixes, the largest first."""


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: "45 s", "12 min", "3.4 h", "2.1 days"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / DAY:.1f} days"


def size(count: float) -> str:
    """Return a number of bytes in the unit that suits it: "15 MB", "2.1 GB"."""
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def prefixed(value: float, unit: str) -> str:
    """Return an amount with the SI prefix that suits it, three digits: "10.2 MFLOPs", "35 mWh"."""
    for prefix, scale in PREFIXES.items():
        if abs(value) >= 0.9995 * scale:
            return f"{value / scale:.3g} {prefix}{unit}".strip()
    return f"{value:.3g} {unit}".strip()


def rounded(value: float) -> str:
    """Return an amount with its significant digits: "0.17", "26.6", "1250"."""
    if value < 1:
        return f"{value:.2g}"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def percent(share: float, digits: int | None = None) -> str:
    """Return a share as a percentage: "99.5 %", "99.995 %", "66.67 %".

    It is exact if that takes few digits, as for sparsities, and otherwise has four significant
    ones; ``digits`` sets their number instead.
    """
    number = 100 * share
    exact = f"{number:.10g}"
    if digits is None and len(exact) <= EXACT_CHARACTERS:
        return f"{exact} %"
    whole = len(f"{abs(number):.0f}")  # more digits than asked for are not replaced by an exponent
    return f"{number:.{max(whole, digits or 4)}g} %"


def count(number: int, noun: str) -> str:
    """Return a number of things: "1 seed", "2 seeds", "3 studies"."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {plural(noun)}"


def counts(numbers: Iterable[int], noun: str) -> str:
    """Return a range of numbers of things: "3 seeds", "2 to 3 seeds"; "0 seeds" for none."""
    known = [int(number) for number in numbers]
    low, high = min(known, default=0), max(known, default=0)
    return count(high, noun) if low == high else f"{low} to {count(high, noun)}"


def plural(noun: str) -> str:
    """Return the plural of a regular noun: "seeds", "studies"."""
    ends_in_y = noun.endswith("y") and noun[-2:-1] not in "aeiou"
    return f"{noun[:-1]}ies" if ends_in_y else f"{noun}s"
