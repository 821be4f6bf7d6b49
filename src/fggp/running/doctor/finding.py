"""The findings of a check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "error", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    Attributes:
        name: name of the check.
        state: ok, warning, error or skipped.
        found: the observation.
        fix: the fix, or how to run a skipped check; empty if nothing is needed.

    """

    name: str
    state: State
    found: str
    fix: str = ""


def ok(name: str, found: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(name, "ok", found)


def warning(name: str, found: str, fix: str) -> Finding:
    """Return a finding that may cause problems."""
    return Finding(name, "warning", found, fix)


def wrong(name: str, found: str, fix: str) -> Finding:
    """Return a finding that prevents the study from running."""
    return Finding(name, "error", found, fix)


def unchecked(name: str, why: str, fix: str = "") -> Finding:
    """Return a check that could not be made here."""
    return Finding(name, "skipped", why, fix)
