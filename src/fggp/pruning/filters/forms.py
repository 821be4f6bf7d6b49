"""The dimensions of a value: where its channels are, and its positions."""

from __future__ import annotations

from typing import Literal

Form = Literal[
    "unknown",  # an input of the network
    "1d", "2d", "3d",  # planes of a convolution: (N, channels, positions…)
    "row",  # (N, channels)
    "features",  # flattened planes: (N, channels · positions)
    "positions first",  # (N, positions · channels), flattened from the next
    "channels last",  # (N, positions…, channels), of a linear layer at any number of positions
]  # fmt: skip
PLANES: tuple[Form, ...] = ("1d", "2d", "3d")
FLAT: tuple[Form, ...] = ("row", "features", "positions first", "channels last")
"""Other values, the best known form first."""


def planes(dimensions: int) -> Form:
    """Return the form of planes of a number of dimensions."""
    return PLANES[dimensions - 1]


def flattened(form: Form) -> Form:
    """Return the form after ``flatten(x, 1)``."""
    if form in PLANES or form == "unknown":
        return "features"
    return "positions first" if form == "channels last" else form


def after_linear(form: Form) -> Form:
    """Return the form of the output of a linear layer."""
    return "channels last" if form in {"channels last", "unknown"} else "row"


def joined(one: Form, other: Form) -> Form | None:
    """Return the form of a sum or product; None where channels do not meet channels.

    Values of two flat forms that have equal numbers of channels can be added only if both have one
    position. The result is the less known form, of which several positions are refused.
    """
    if other in {one, "unknown"}:
        return one
    if one == "unknown":
        return other
    if one in PLANES or other in PLANES:
        return None
    return max(one, other, key=FLAT.index)
