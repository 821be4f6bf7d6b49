"""The cost of trainings, compared with the estimates made in advance."""

from __future__ import annotations

from pandas import DataFrame, Series

from fggp.analysis.catalogue import table
from fggp.analysis.plan import Plan
from fggp.analysis.tables.fields import Field, frame, visible
from fggp.analysis.tables.formats import Row, Table, missing
from fggp.foundation.quantities import count, duration, percent, prefixed, rounded, size
from fggp.study import costs

HOUR = 3600
KWH = 3.6e6
MEASURED = (
    "Energy was measured in {of} ({energy}, estimated {estimated}), by the counter of the GPU's "
    "board or of the processor packages, for trainings that had the device to themselves. No "
    "energy is counted twice; the rest of the machine is excluded."
)
SPEED = (
    "Images per second (of training, over the whole time of a cell) and the share of peak are "
    "medians. Peak is the speed of a matrix product on the same device, with the same threads and "
    "precision, right after the training; the share is that of the multiplications per second, "
    "including zeros and evaluations."
)


def study_costs(runs: DataFrame) -> DataFrame:
    """Return a row per backbone and label with columns `FIELDS`, in the order of the runs.

    Takes ``runs.csv`` as `fggp.analysis.collect.runs_csv.read_runs` returns it.
    """
    each = runs.assign(
        hours=runs["seconds"] * _units(runs) / HOUR,
        estimated_hours=runs["estimated_seconds"] * _units(runs) / HOUR,
        kwh=_kwh(runs),
        other=runs["verdict"] != "completed",
    )
    return frame(FIELDS, (part for _, part in each.groupby(["backbone", "label"], sort=False)))


def _units(runs: DataFrame) -> Series[int]:
    """Return the number of cores or GPUs of each training."""
    return runs["threads"].where(runs["device"] == "cpu", 1)


def _kwh(runs: DataFrame) -> Series[float]:
    """Return the energy of each training from the rough power of its device."""
    power = Series(
        [
            costs.device_named(str(kind), str(name)).power
            for kind, name in zip(runs["device"], runs["device_name"], strict=True)
        ],
        index=runs.index,
        dtype="float64",
    )
    return runs["seconds"] * _units(runs) / HOUR * power / 1000


@table("costs", "Diagnostics", place=1)
def costs_table(runs: DataFrame, plan: Plan) -> Table:
    """Hours, energy, speed and memory of each method, compared with the estimates made in advance.

    Hours, memory and a rough energy of the trainings of each method (n = ``cells``), compared with
    the estimates made in advance, and the number of trainings that were not completed.
    """
    data = study_costs(runs)
    return Table(data, visible(FIELDS), _note(runs, data))


def _measured(row: Row) -> str:
    """Return the measured energy, with its number of cells if that is not all."""
    if not row["measured"]:
        return "-"
    some = "" if row["measured"] == row["cells"] else f" ({row['measured']} of {row['cells']})"
    return f"{_energy(row['measured_kwh'])}{some}"


def _time(hours: float) -> str:
    """Return a time with its unit, with fractions of a second below ten seconds."""
    return duration(hours * HOUR) if hours * HOUR >= 10 else prefixed(hours * HOUR, "s")


def _energy(kwh: float) -> str:
    return prefixed(1000 * kwh, "Wh")


def _memory(megabytes: float) -> str:
    return size(1e6 * megabytes)


def _verdicts(others: Series[str]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in others.value_counts().items())


FIELDS: tuple[Field[DataFrame], ...] = (
    Field("backbone", "str", "the network", lambda part: part["backbone"].iloc[0], "backbone"),
    Field("label", "str", "the label of the method", lambda part: part["label"].iloc[0], "method"),
    Field("cells", "int64", "the number of trainings", len, "cells", "d"),
    Field(
        "hours_median", "float64", "median hours of a training, of a GPU or of a core (seconds "
        "times threads on a CPU)",
        lambda part: part["hours"].median(), "time per cell", _time,
    ),
    Field("hours", "float64", "their sum", lambda part: part["hours"].sum(), "time", _time),
    Field(
        "estimated_hours", "float64", "the sum that `fggp.study.costs` expects on that device; "
        "empty without a rate on record",
        lambda part: part["estimated_hours"].sum(skipna=False), "estimated", _time,
    ),
    Field(
        "ratio", "float64", "hours divided by estimated hours",
        lambda part: part["hours"].sum() / part["estimated_hours"].sum(skipna=False),
        "ratio", ".2f",
    ),
    Field(
        "peak_memory_mb", "int64", "the highest host memory of a training",
        lambda part: part["peak_memory_mb"].max(), "peak memory", _memory,
    ),
    Field(
        "not_completed", "int64", "the number of trainings that failed",
        lambda part: int(part["other"].sum()),
    ),
    Field(
        "verdicts", "str", "how these ended",
        lambda part: _verdicts(part.loc[part["other"], "verdict"]), "not completed", place=1,
    ),
    Field(
        "kwh", "float64", "hours times the rough power of the device",
        lambda part: part["kwh"].sum(), "energy, estimated", _energy,
    ),
    Field(
        "measured", "int64", "the number of trainings whose energy was measured",
        lambda part: int(part["energy_joules"].notna().sum()),
    ),
    Field(
        "measured_kwh", "float64", "the energy of these by the counters of the device",
        lambda part: part["energy_joules"].sum(min_count=1) / KWH,
        "energy, measured", cell=_measured,
    ),
    Field(
        "images_per_second", "float64", "median speed of training",
        lambda part: part["images_per_second"].median(), "images/s", rounded,
    ),
    Field(
        "share_of_peak", "float64", "median share of the speed of a matrix product",
        lambda part: part["share_of_peak"].median(), "share of peak",
        lambda share: percent(share, 2),
    ),
)  # fmt: skip
"""The columns of the table of costs; a row is about the trainings of a backbone and label."""


def _called(device: costs.Device) -> str:
    """Return the name of a device, or of the one that represents it."""
    if device.stands_for:
        return f"{device.stands_for}, which costs.yaml lacks, as {device.name}"
    return device.name


def _note(runs: DataFrame, data: DataFrame) -> str:
    if data.empty:
        return "Nothing to show: no result yet."
    names = dict.fromkeys(zip(runs["device"], runs["device_name"], strict=True))
    found = (costs.device_named(str(kind), str(name)) for kind, name in names)
    devices = {_called(it): it for it in found}
    units = " and ".join(dict.fromkeys(it.unit for it in devices.values()))
    power = ", ".join(
        f"{name} {it.power:g} W ({it.power_from})" for name, it in sorted(devices.items())
    )
    time, energy = _time(float(data["hours"].sum())), _energy(float(data["kwh"].sum()))
    estimated = data["estimated_hours"].sum(skipna=False)
    expected = (
        "without an estimate" if missing(estimated) else f"estimated {_time(float(estimated))}"
    )
    return (
        f"Cost of {count(len(runs), 'training')}, time in {units} (one that shares a GPU counts "
        "all its time): the median of a cell, the sum, the sum estimated before any training for "
        "the device that was used, and their ratio; the highest peak of the host's memory. In all "
        f"{time}, {expected}, and {energy}. Energy is an estimate, "
        f"time multiplied by a rough power: {power}. {_known(runs, data)}"
    ).strip()


def _known(runs: DataFrame, data: DataFrame) -> str:
    """Return the notes on measured values; empty if nothing was measured."""
    said, measured = [], runs["energy_joules"].notna()
    if measured.any():
        estimated = _kwh(runs)[measured].sum()
        found = runs["energy_joules"].sum() / KWH
        of = f"{measured.sum()} of {count(len(runs), 'training')}"
        said.append(MEASURED.format(of=of, energy=_energy(found), estimated=_energy(estimated)))
    if data["images_per_second"].notna().any():
        said.append(SPEED)
    return " ".join(said)
