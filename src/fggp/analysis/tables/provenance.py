"""What ran where: the trainings by device, versions and data, in the order in which they began."""

from __future__ import annotations

from typing import Any

from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.plan import Plan
from fggp.analysis.tables.formats import Column, Table, missing, number, text
from fggp.foundation.quantities import count

SAME = (
    *("device", "device_name", "python", "numpy", "torch"),
    *("numerics", "code_sha256", "data_sha256"),
)
COLUMNS = {
    **dict.fromkeys(SAME, "str"),
    "numerics": "int64",
    "runs": "int64",
    "diverged": "int64",
    "first_started": "str",
    "last_finished": "str",
    "hours": "float64",
    "median_seconds": "float64",
    "peak_memory_mb": "int64",
}
"""Columns: what ``runs`` trainings have in common (`SAME`), how many of them diverged, the moments
between which they ran (UTC), their time in all and of one, and the most memory that one took."""

SHORT = 12
"""So many digits of a checksum are shown."""


def provenance(runs: DataFrame) -> DataFrame:
    """Return a row per machine, versions, code and data with columns `COLUMNS`.

    Takes ``runs.csv`` as `fggp.analysis.collect.runs_csv.read_runs` returns it.
    """
    rows: list[dict[str, Any]] = [
        dict(zip(SAME, values, strict=True))
        | {
            "runs": len(part),
            "diverged": int((part["verdict"] == "diverged").sum()),
            "first_started": part["started"].min(),
            "last_finished": part["finished"].max(),
            "hours": part["seconds"].sum() / 3600,
            "median_seconds": part["seconds"].median(),
            "peak_memory_mb": part["peak_memory_mb"].max(),
        }
        for values, part in runs.groupby(list(SAME), dropna=False, sort=False)
    ]
    data = DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return data.sort_values("first_started", kind="stable", ignore_index=True)


@table("provenance", "Provenance", place=1)
def provenance_table(runs: DataFrame, plan: Plan) -> Table:
    """What ran where: processors, versions, code, data, hours.

    Trainings (n = ``runs``) by processor, versions of Python, NumPy and PyTorch, numerics version,
    source code and data, with the days (UTC) and hours that they took. Only results of one numerics
    version share a table. Hours depend on what else a machine did.
    """
    del plan  # every table takes one
    data = provenance(runs)
    columns = [
        text("device", "device"),
        text("processor", "device_name"),
        number("runs", "runs", "d"),
        number("diverged", "diverged", "d"),
        _moment("first started (UTC)", "first_started"),
        _moment("last finished (UTC)", "last_finished"),
        number("hours", "hours", ".2f"),
        number("median seconds", "median_seconds", ".0f"),
        number("peak MB", "peak_memory_mb", "d"),
        text("Python", "python"),
        text("NumPy", "numpy"),
        text("PyTorch", "torch"),
        number("numerics", "numerics", "d"),
        _checksum("code", "code_sha256"),
        _checksum("data", "data_sha256"),
    ]
    return Table(data, columns, _note(runs, data))


def _moment(head: str, key: str) -> Column:
    return Column(head, lambda row: str(row[key])[:16].replace("T", " "), left=True)


def _checksum(head: str, key: str) -> Column:
    return Column(
        head, lambda row: "-" if missing(row[key]) else str(row[key])[:SHORT] or "-", left=True
    )


def _note(runs: DataFrame, data: DataFrame) -> str:
    if data.empty:
        return "Nothing to show: no result yet."
    return (
        f"What ran where: {count(len(runs), 'training')}, n = "
        f"{count(runs['seed'].nunique(), 'seed')}, a row for what has processor, versions, code "
        "and data in common. Only results of one numerics version share a table. Code and data: "
        "the first digits of SHA-256. Hours are wall-clock, earlier attempts of resumed trainings "
        "included; they depend on what else a machine did."
    )
