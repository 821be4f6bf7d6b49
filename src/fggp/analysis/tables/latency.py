"""Inference times of trained networks on a CPU: compiled for their kept weights, and dense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.latencies import ADVICE, CONTENDERS, latencies
from fggp.analysis.plan import Plan
from fggp.analysis.tables.fields import Field, frame, visible
from fggp.analysis.tables.formats import Table
from fggp.foundation.quantities import count, percent

GROUP = ["cell", "batch", "threads"]
Value = Callable[[DataFrame], float]


def _of(contender: str, column: str) -> Value:
    def value(part: DataFrame) -> float:
        found = part.loc[part["contender"] == contender, column]
        return float(found.iloc[0]) if len(found) else float("nan")

    return value


def _best(part: DataFrame) -> float:
    return float(part.loc[part["contender"].str.startswith("fggp"), "least_ms"].min())


def _dense(part: DataFrame) -> float:
    dense = ~part["contender"].str.contains("fggp|shrunk")
    return float(part.loc[dense, "least_ms"].min())


def _field(contender: str, column: str, meaning: str, *, head: bool) -> Field[DataFrame]:
    name = f"{contender.replace(' ', '_')}_{column}"
    return Field(
        name, "float64", f"{meaning} of {contender}, milliseconds", _of(contender, column),
        contender if head else "", ".2f",
    )  # fmt: skip


FIELDS: tuple[Field[DataFrame], ...] = (
    Field("backbone", "str", "the network", lambda part: part["backbone"].iloc[0], "backbone"),
    Field(
        "sparsity", "float64", "of the setting", lambda part: part["sparsity"].iloc[0],
        "sparsity", lambda it: f"{percent(it)}",
    ),
    Field("label", "str", "the label of the method", lambda part: part["label"].iloc[0], "method"),
    Field("cell", "str", "the name of the cell", lambda part: part["cell"].iloc[0]),
    Field(
        "kept_share", "float64", "kept weights by all weights",
        lambda part: part["kept"].iloc[0] / part["weights"].iloc[0], "kept", percent,
    ),
    Field("batch", "int64", "images in a call", lambda part: part["batch"].iloc[0], "batch", "d"),
    Field(
        "threads", "int64", "threads of each way", lambda part: part["threads"].iloc[0],
        "threads", "d",
    ),
    *(_field(it, "least_ms", "the fastest round", head=True) for it in CONTENDERS),
    *(_field(it, "median_ms", "the median round", head=False) for it in CONTENDERS),
    Field(
        "times_torch", "float64", "the fastest round of torch, divided by that of our faster form",
        lambda part: _of("torch", "least_ms")(part) / _best(part), "× torch", ".1f",
    ),
    Field(
        "times_dense", "float64", "the same for the fastest dense way",
        lambda part: _dense(part) / _best(part), "× fastest dense", ".1f",
    ),
    Field("clock", "str", "the measured time: cpu or wall", lambda part: part["clock"].iloc[0]),
    Field(
        "processor", "str", "its name", lambda part: part["processor"].iloc[0]
    ),
    Field("system", "str", "the system", lambda part: part["system"].iloc[0]),
    Field("torch", "str", "its version", lambda part: part["torch"].iloc[0]),
)  # fmt: skip
"""The columns of the table of latencies; a row is about a cell, a batch and a number of threads."""


@table("latency", "Diagnostics", place=2)
def latency_table(runs: DataFrame, plan: Plan, study_folder: Path | None = None) -> Table:
    """Inference times of trained networks on a CPU: compiled, and dense in three ways.

    Milliseconds per call with the first seed of each method, as measured by ``fggp latency``:
    compiled to multiply only the kept weights, and dense. Times are the minimum over rounds in
    which all ways alternate.
    """
    del runs, plan  # every table takes them
    data = latencies(study_folder)
    parts = [part for _, part in data.groupby(GROUP, sort=False)] if len(data) else []
    found = frame(FIELDS, parts)
    return Table(found, visible(FIELDS), _note(data))


def _note(data: DataFrame) -> str:
    if data.empty:
        return f"Nothing to show: {ADVICE}."
    processors = ", ".join(sorted(data["processor"].unique()))
    versions = ", ".join(sorted(data["torch"].unique()))
    runtimes = ", ".join(sorted(data["onnxruntime"].dropna().unique())) or "not installed"
    rounds = sorted(data["rounds"].unique())
    return (
        f"Milliseconds per call on {processors}, torch {versions}, onnxruntime {runtimes}: the "
        f"minimum of {' or '.join(map(str, rounds))} rounds in which all ways alternate; processor "
        "time with one thread, wall-clock time with several. "
        f"{count(data['cell'].nunique(), 'network')}, n = 1 seed of each. `fggp` is "
        "`fggp.compile(model)`, and `fggp batched` computes the last layers of 16 images at once. "
        "`shrunk` is the network of `fggp.shrink`, if that is clearly smaller."
    )
