"""What trainings took, beside what was expected of them before."""

from __future__ import annotations

from pandas import DataFrame, Series

from fggp.analysis.catalogue import table
from fggp.analysis.plan import Plan
from fggp.analysis.tables.formats import Column, Row, Table, missing, number, text
from fggp.foundation.quantities import count, percent, rounded
from fggp.study import costs

HOUR = 3600
KWH = 3.6e6
COLUMNS = {
    "backbone": "str",
    "label": "str",
    "cells": "int64",
    "hours_median": "float64",
    "hours": "float64",
    "estimated_hours": "float64",
    "ratio": "float64",
    "peak_memory_mb": "int64",
    "not_completed": "int64",
    "verdicts": "str",
    "kwh": "float64",
    "measured": "int64",
    "measured_kwh": "float64",
    "images_per_second": "float64",
    "share_of_peak": "float64",
}
"""Columns of the table. Hours are those of a GPU or of a core: seconds times threads on a CPU; the
median is that of one cell. ``estimated_hours`` are those of `fggp.study.costs` for the same device,
and ``ratio`` is hours by estimated hours. ``kwh`` is hours times the rough power of the device, and
``measured_kwh`` what its counter says of those cells that had it to themselves (``measured``). The
last two are medians over the cells. What no cell says is empty, and so are estimates without a rate
on record.
"""
MEASURED = (
    "Energy was measured in {of} ({kwh} kWh, estimated {estimated}), by the counter of the GPU's "
    "board or of the processor packages, where a training had the device to itself. So sums count "
    "nothing twice; the machine around is left out."
)
SPEED = (
    "Images per second (of training, in all the time that a cell took) and the share of peak are "
    "medians. Peak is what a matrix product reached on the same device, with the same threads and "
    "precision, right after the training; the share is that of the multiplications that were done "
    "in a second, zeros and evaluations included."
)


def study_costs(runs: DataFrame) -> DataFrame:
    """Return a row per backbone and label with columns `COLUMNS`, in the order of the runs.

    Takes ``runs.csv`` as `fggp.analysis.collect.runs_csv.read_runs` returns it.
    """
    each = runs.assign(
        hours=runs["seconds"] * _units(runs) / HOUR,
        estimated_hours=runs["estimated_seconds"] * _units(runs) / HOUR,
        kwh=_kwh(runs),
        other=runs["verdict"] != "completed",
    )
    rows = [
        {
            "backbone": backbone,
            "label": label,
            "cells": len(part),
            "hours_median": part["hours"].median(),
            "hours": part["hours"].sum(),
            "estimated_hours": part["estimated_hours"].sum(skipna=False),
            "ratio": part["hours"].sum() / part["estimated_hours"].sum(skipna=False),
            "peak_memory_mb": part["peak_memory_mb"].max(),
            "not_completed": int(part["other"].sum()),
            "verdicts": _verdicts(part.loc[part["other"], "verdict"]),
            "kwh": part["kwh"].sum(),
            "measured": int(part["energy_joules"].notna().sum()),
            "measured_kwh": part["energy_joules"].sum(min_count=1) / KWH,
            "images_per_second": part["images_per_second"].median(),
            "share_of_peak": part["share_of_peak"].median(),
        }
        for (backbone, label), part in each.groupby(["backbone", "label"], sort=False)
    ]
    return DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _units(runs: DataFrame) -> Series[int]:
    """Return how many cores or GPUs each training takes."""
    return runs["threads"].where(runs["device"] == "cpu", 1)


def _kwh(runs: DataFrame) -> Series[float]:
    """Return the energy of each training by the rough power of its device."""
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
    """Hours, energy, speed and memory of each method, beside the estimates made before.

    What the trainings of each method (n = ``cells``) took, beside what was estimated for them
    before: hours, memory and a rough energy, and how many were not completed.
    """
    data = study_costs(runs)
    columns = [
        text("backbone", "backbone"),
        text("method", "label"),
        number("cells", "cells", "d"),
        _amount("hours per cell", "hours_median"),
        _amount("hours", "hours"),
        _amount("estimated", "estimated_hours"),
        number("ratio", "ratio", ".2f"),
        number("peak memory (MB)", "peak_memory_mb", "d"),
        _amount("kWh, estimated", "kwh"),
        Column("kWh, measured", _measured),
        _amount("images/s", "images_per_second"),
        Column("share of peak", _share_of_peak),
        text("not completed", "verdicts"),
    ]
    return Table(data, columns, _note(runs, data))


def _amount(head: str, key: str) -> Column:
    return Column(head, lambda row: "-" if missing(row[key]) else rounded(row[key]))


def _measured(row: Row) -> str:
    """Return the measured energy, and of how many cells it is where that is not all."""
    if not row["measured"]:
        return "-"
    some = "" if row["measured"] == row["cells"] else f" ({row['measured']} of {row['cells']})"
    return f"{rounded(row['measured_kwh'])}{some}"


def _share_of_peak(row: Row) -> str:
    share = row["share_of_peak"]
    return "-" if missing(share) else percent(share, 2)


def _verdicts(others: Series[str]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in others.value_counts().items())


def _note(runs: DataFrame, data: DataFrame) -> str:
    if data.empty:
        return "Nothing to show: no result yet."
    names = dict.fromkeys(zip(runs["device"], runs["device_name"], strict=True))
    devices = {it.name: it for it in (costs.device_named(str(k), str(n)) for k, n in names)}
    units = " and ".join(dict.fromkeys(it.unit for it in devices.values()))
    power = ", ".join(
        f"{name} {it.power:g} W ({it.power_from})" for name, it in sorted(devices.items())
    )
    hours, kwh = (rounded(float(data[name].sum())) for name in ("hours", "kwh"))
    estimated = data["estimated_hours"].sum(skipna=False)
    expected = "without an estimate" if missing(estimated) else f"estimated {rounded(estimated)}"
    return (
        f"What {count(len(runs), 'training')} took, in {units} (one that shares a GPU counts all "
        "its time): the median of a cell, the sum, the sum estimated before any training for the "
        "device that was used, and their ratio; the highest peak of the host's memory. In all "
        f"{hours} hours, {expected}, and {kwh} kWh. Energy is an estimate, "
        f"hours times a rough power: {power}. {_known(runs, data)}"
    ).strip()


def _known(runs: DataFrame, data: DataFrame) -> str:
    """Return what is to be said of what was measured, nothing where nothing was."""
    said, measured = [], runs["energy_joules"].notna()
    if measured.any():
        estimated = _kwh(runs)[measured].sum()
        found = runs["energy_joules"].sum() / KWH
        of = f"{measured.sum()} of {count(len(runs), 'training')}"
        said.append(MEASURED.format(of=of, kwh=rounded(found), estimated=rounded(estimated)))
    if data["images_per_second"].notna().any():
        said.append(SPEED)
    return " ".join(said)
