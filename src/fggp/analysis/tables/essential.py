"""The share of weights that trained dense networks can lose at once without further training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pandas import DataFrame, Series

from fggp.analysis.catalogue import table
from fggp.analysis.one_shot import ADVICE, bend, one_shot
from fggp.analysis.plan import Plan
from fggp.analysis.tables.fields import Field, frame, visible
from fggp.analysis.tables.formats import Table
from fggp.foundation.quantities import count, percent

SHOWN = (0.5, 0.8, 0.9)
"""Sparsities whose accuracies are shown."""


def _first(column: str) -> Callable[[DataFrame], object]:
    return lambda part: part[column].iloc[0]


def _knee(column: str) -> Callable[[DataFrame], object]:
    return lambda part: bend(part)[column]


def _at(sparsity: float) -> Callable[[DataFrame], float]:
    """Return the accuracy at the largest measured sparsity up to a given one."""

    def value(part: DataFrame) -> float:
        reached: Series = part.loc[part["sparsity"] <= sparsity + 1e-9, "accuracy_percent"]
        return float(reached.iloc[-1])

    return value


FIELDS: tuple[Field[DataFrame], ...] = (
    Field("backbone", "str", "the network", _first("backbone"), "backbone"),
    Field("width", "float64", "the factor on its channels", _first("width"), "width", ".4g"),
    Field("seed", "int64", "of the training", _first("seed"), "seed", "d"),
    Field("cell", "str", "the name of the cell", _first("cell")),
    Field(
        "dense_percent", "float64", "test accuracy with all weights, in percent",
        _first("accuracy_percent"), "dense (%)", ".2f",
    ),
    Field(
        "knee", "float64", "the last sparsity before accuracy falls more than a point below dense",
        _knee("sparsity"), "knee", percent,
    ),
    Field("knee_kept", "int64", "the weights left there", _knee("kept"), "kept there", "d"),
    Field(
        "knee_percent", "float64", "test accuracy there, in percent", _knee("accuracy_percent"),
        "accuracy there (%)", ".2f",
    ),
    *(
        Field(
            f"at_{100 * it:.0f}", "float64", f"test accuracy at {100 * it:.0f} % sparsity, or the "
            "last measured one before, in percent", _at(it), f"at {100 * it:.0f} %", ".2f",
        )
        for it in SHOWN
    ),
    Field("weights", "int64", "all prunable weights", _first("weights")),
    Field("levels", "int64", "sparsities that were measured", len),
    Field("device_name", "str", "the device", _first("device_name")),
    Field("torch", "str", "its version", _first("torch")),
)  # fmt: skip
"""The columns of the table; a row is about the rows of one dense network."""


@table("essential", "Diagnostics", place=3)
def essential_table(runs: DataFrame, plan: Plan, study_folder: Path | None = None) -> Table:
    """Knees of the dense networks: the one-shot sparsity tolerated without further training.

    Test accuracy as measured by ``fggp essential``: that of the trained dense network without the
    weights of smallest magnitude over all layers, a row per seed. The knee is the last sparsity
    before accuracy first falls more than one point below dense.
    """
    del runs, plan  # every table takes them
    data = one_shot(study_folder)
    parts = [part for _, part in data.groupby("cell", sort=False)] if len(data) else []
    return Table(frame(FIELDS, parts), visible(FIELDS), _note(data))


def _note(data: DataFrame) -> str:
    if data.empty:
        return f"Nothing to show: {ADVICE}."
    levels = sorted(data.groupby("cell").size().unique())
    return (
        f"{count(data['cell'].nunique(), 'dense network')}, one training each, "
        f"{' or '.join(map(str, levels))} sparsities from 0 on. Weights are pruned by magnitude "
        "over all layers, at once; nothing is trained afterwards."
    )
