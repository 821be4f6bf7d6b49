"""Numbers of other libraries as Python's own, as `torch.load` reads no others by default."""

from __future__ import annotations

from fractions import Fraction
from numbers import Integral, Real
from operator import index
from typing import Any


def whole_number(value: Any) -> int:
    """Return a whole number, also one of numpy or in a tensor, as an int.

    Raises TypeError for anything else, including booleans.
    """
    if isinstance(value, bool) or "bool" in str(getattr(value, "dtype", "")):
        raise TypeError(f"{value!r} is a boolean, not a number")
    return index(value)


def plain_number(value: Any) -> Any:
    """Return a number of numpy or a whole number in a tensor as Python's own.

    A float has the value that it is written with, so that 0.9 in 32 bits is 0.9. The entries of
    lists, tuples and dictionaries are replaced in the same way; anything else stays unchanged.
    """
    if isinstance(value, dict):
        return {key: plain_number(it) for key, it in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(map(plain_number, value))
    if isinstance(value, bool | str | Fraction):
        return value
    try:
        if isinstance(value, Real) and not isinstance(value, Integral):
            return float(str(value))
        return whole_number(value)
    except (TypeError, ValueError):
        return value
