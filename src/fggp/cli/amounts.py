"""Amounts in words, and the options that say what they are reckoned for."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import replace

from fggp import costs
from fggp.cell import Training
from fggp.costs import Device, rounded
from fggp.glance import Done
from fggp.pace import with_measured_power

MINUTE, HOUR, DAY = 60, 3600, 86400


def add_costs(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what trains."""
    parser.add_argument(
        "--device",
        choices=sorted(costs.devices()),
        help="reckon with this one (default: what most finished cells were trained on, "
        "else what the precision of the study asks for)",
    )
    parser.add_argument(
        "--watts",
        type=positive,
        metavar="W",
        help="power of the GPU, or of one core (default: as measured in finished cells, "
        "else a rough figure; the page says which)",
    )


def chosen(
    options: argparse.Namespace, otherwise: Device, training: Training, results: Collection[Done]
) -> Device:
    """Return the device that the options name, else the other one.

    Its power is what the options say, else what the results measured, else a rough figure.
    """
    device = costs.device(options.device) if options.device else otherwise
    if options.watts is None:
        return with_measured_power(device, training, results)
    return replace(device, power=options.watts, power_from="--watts")


def positive(text: str) -> float:
    """Read a positive number from the command line."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


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
