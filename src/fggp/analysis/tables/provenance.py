"""Provenance of the trainings: device, versions and data, in order of their start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.plan import Plan
from fggp.analysis.tables.fields import Field, frame, visible
from fggp.analysis.tables.formats import Table
from fggp.foundation.quantities import count
from fggp.study.outcome import THEN

SHORT = 12
"""The number of digits of a checksum that are shown."""


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")


def _shared(
    name: str,
    type_: str,
    meaning: str,
    head: str,
    form: str | Callable[[Any], str] = str,
    *,
    place: int = 1,
) -> Field[DataFrame]:
    """Return a column that the trainings of a row have in common."""
    return Field(name, type_, meaning, lambda part: part[name].iloc[0], head, form, place=place)


COMMON = (
    _shared("device", "str", '"cpu" or "cuda"', "device", place=0),
    _shared(
        "device_name",
        "str",
        'the processor or GPU; "A, then B" if a training moved',
        "processor",
        place=0,
    ),
    _shared("python", "str", "its version", "Python"),
    _shared("numpy", "str", "its version", "NumPy"),
    _shared("torch", "str", "its version", "PyTorch"),
    _shared("numerics", "int64", "the version of the arithmetic of trainings", "numerics", "d"),
    _shared("code_sha256", "str", "SHA-256 of the source code", "code", lambda it: it[:SHORT]),
    _shared("data_sha256", "str", "SHA-256 of the data", "data", lambda it: it[:SHORT]),
)
"""The columns whose values make a row."""
SAME = [field.name for field in COMMON]

FIELDS: tuple[Field[DataFrame], ...] = (
    *COMMON,
    Field("runs", "int64", "the number of trainings", lambda part: part["seed"].size, "runs", "d"),
    Field(
        "diverged", "int64", "the number of these that diverged",
        lambda part: int((part["verdict"] == "diverged").sum()), "diverged", "d",
    ),
    Field(
        "first_started", "str", "when the first one started (UTC)",
        lambda part: part["started"].min(), "first started (UTC)", _moment,
    ),
    Field(
        "last_finished", "str", "when the last one finished (UTC)",
        lambda part: part["finished"].max(), "last finished (UTC)", _moment,
    ),
    Field(
        "hours", "float64", "total wall-clock hours",
        lambda part: part["seconds"].sum() / 3600, "hours", ".2f",
    ),
    Field(
        "median_seconds", "float64", "median seconds of a training",
        lambda part: part["seconds"].median(), "median seconds", ".0f",
    ),
    Field(
        "peak_memory_mb", "int64", "the highest memory of a training",
        lambda part: part["peak_memory_mb"].max(), "peak MB", "d",
    ),
)  # fmt: skip
"""The columns of the table of provenance; a row is about trainings that share `COMMON`."""


def provenance(runs: DataFrame) -> DataFrame:
    """Return a row per machine, versions, code and data with columns `FIELDS`.

    Takes ``runs.csv`` as `fggp.analysis.collect.runs_csv.read_runs` returns it.
    """
    data = frame(FIELDS, (part for _, part in runs.groupby(SAME, dropna=False, sort=False)))
    return data.sort_values("first_started", kind="stable", ignore_index=True)


@table("provenance", "Provenance", place=1)
def provenance_table(runs: DataFrame, plan: Plan) -> Table:
    """Provenance of the trainings: processors, versions, code, data, hours.

    Trainings (n = ``runs``) by processor, versions of Python, NumPy and PyTorch, numerics version,
    source code and data, with the days (UTC) and hours that they took. Only results of one numerics
    version share a table. Hours depend on the other load of a machine.
    """
    del plan  # every table takes one
    data = provenance(runs)
    return Table(data, visible(FIELDS), _note(runs, data))


def _note(runs: DataFrame, data: DataFrame) -> str:
    if data.empty:
        return "Nothing to show: no result yet."
    moved = int(runs["device_name"].str.contains(THEN).sum())
    return (
        f"Provenance: {count(len(runs), 'training')}, n = "
        f"{count(runs['seed'].nunique(), 'seed')}; the trainings of a row share processor, "
        "versions, code and data. Only results of one numerics version share a table. Code, data: "
        "the first digits of SHA-256. Hours are wall-clock, including earlier attempts of resumed "
        "trainings; they depend on the other load of a machine."
        + (f" **{count(moved, 'training')} moved between types of devices, whose bits differ.**")
        * bool(moved)
    )
