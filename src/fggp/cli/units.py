"""Hours and energy of a device as text."""

from __future__ import annotations

from fggp.foundation.quantities import HOUR, rounded
from fggp.study.costs import Device


def hours(seconds: float) -> str:
    """Return hours with their significant digits: "0.17", "26.6", "1250"."""
    return rounded(seconds / HOUR)


def kwh(seconds: float, device: Device) -> str:
    """Return the energy of a number of seconds of one GPU or core, with the power assumed."""
    each = "per core" if device.kind == "cpu" else "per GPU"
    energy = seconds / HOUR * device.power / 1000
    return f"{rounded(energy)} kWh at {device.power:g} W {each} ({device.power_from})"


def joules(amount: float) -> str:
    """Return energy in kWh."""
    return f"{rounded(amount / HOUR / 1000)} kWh"
