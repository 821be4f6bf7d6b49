"""Amounts in words, and the options that say what they are reckoned for."""

from __future__ import annotations

from fggp.study.costs import Device, rounded

MINUTE, HOUR, DAY = 60, 3600, 86400


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: "45 s", "12 min", "3.4 h", "2.1 days"."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.1f} h"
    return f"{seconds / DAY:.1f} days"


def hours(seconds: float) -> str:
    """Return hours with the digits that tell something: "0.17", "26.6", "1250"."""
    return rounded(seconds / HOUR)


def kwh(seconds: float, device: Device) -> str:
    """Return the energy of so many seconds of one GPU or core, with the power behind it."""
    each = "per core" if device.kind == "cpu" else "per GPU"
    energy = seconds / HOUR * device.power / 1000
    return f"{rounded(energy)} kWh at {device.power:g} W {each} ({device.power_from})"


def joules(amount: float) -> str:
    """Return energy in kWh."""
    return f"{rounded(amount / HOUR / 1000)} kWh"


def size(count: float) -> str:
    """Return bytes in the unit that suits them: "15 MB", "2.1 GB"."""
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
