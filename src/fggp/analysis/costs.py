"""What trainings took, beside what was expected of them before."""

from __future__ import annotations

from pandas import DataFrame, Series

from fggp import costs
from fggp.analysis.forms import Column, Table, count, number, text
from fggp.analysis.plan import Plan
from fggp.costs import rounded

HOUR = 3600
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
}
"""Columns of the table. Hours are those of a GPU or of a core: seconds times threads on a CPU; the
median is that of one cell. ``estimated_hours`` are those of `fggp.costs` for the same device, and
``ratio`` is hours by estimated hours. ``kwh`` is hours times the rough power of the device."""


def study_costs(runs: DataFrame) -> DataFrame:
    """Return a row per backbone and label with columns `COLUMNS`, in the order of the runs.

    Takes ``runs.csv`` as `fggp.analysis.frames.read_runs` returns it.
    """
    units = runs["threads"].where(runs["device"] == "cpu", 1)
    power = Series(
        [
            costs.device_named(str(kind), str(name)).power
            for kind, name in zip(runs["device"], runs["device_name"], strict=True)
        ],
        index=runs.index,
        dtype="float64",
    )
    hours = runs["seconds"] * units / HOUR
    each = runs.assign(
        hours=hours,
        estimated_hours=runs["estimated_seconds"] * units / HOUR,
        kwh=hours * power / 1000,
        other=runs["verdict"] != "completed",
    )
    rows = [
        {
            "backbone": backbone,
            "label": label,
            "cells": len(part),
            "hours_median": part["hours"].median(),
            "hours": part["hours"].sum(),
            "estimated_hours": part["estimated_hours"].sum(),
            "ratio": part["hours"].sum() / part["estimated_hours"].sum(),
            "peak_memory_mb": part["peak_memory_mb"].max(),
            "not_completed": int(part["other"].sum()),
            "verdicts": _verdicts(part.loc[part["other"], "verdict"]),
            "kwh": part["kwh"].sum(),
        }
        for (backbone, label), part in each.groupby(["backbone", "label"], sort=False)
    ]
    return DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def costs_table(runs: DataFrame, plan: Plan) -> Table:
    """Return the table of what trainings took, and what was expected."""
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
        _amount("kWh", "kwh"),
        text("not completed", "verdicts"),
    ]
    return Table(data, columns, _note(runs, data))


def _amount(head: str, key: str) -> Column:
    return Column(head, lambda row: rounded(row[key]))


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
    hours, estimated, kwh = (
        rounded(float(data[name].sum())) for name in ("hours", "estimated_hours", "kwh")
    )
    return (
        f"What {count(len(runs), 'training')} took, in {units} (one that shares a GPU counts all "
        "its time): the median of a cell, the sum, the sum estimated before any training for the "
        "device that was used, and their ratio; the highest peak of the host's memory. In all "
        f"{hours} hours, estimated {estimated}, and {kwh} kWh. Energy is an estimate, "
        f"hours times a rough power: {power}."
    )
