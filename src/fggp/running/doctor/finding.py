"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong", "not checked"]


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        name: of the check.
        state: how it stands.
        found: what was seen.
        fix: what fixes it, or what would let it be checked; nothing where all is well.

    """

    name: str
    state: State
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(name, "ok", found)


def warning(name: str, found: str, fix: str) -> Finding:
    """Return a finding that may do harm."""
    return Finding(name, "warning", found, fix)


def wrong(name: str, found: str, fix: str) -> Finding:
    """Return a finding with which the study cannot be run."""
    return Finding(name, "wrong", found, fix)


def unchecked(name: str, why: str, fix: str = "") -> Finding:
    """Return what could not be looked at here."""
    return Finding(name, "not checked", why, fix)
