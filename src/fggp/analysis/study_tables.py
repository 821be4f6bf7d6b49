"""The data of figures: the tables of a study and its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any

import pandas as pd
from pandas import DataFrame

from fggp.analysis.collect.rows import EPOCHS, KEYS, LAYERS, UPDATES, keys
from fggp.analysis.collect.runs_csv import DENSE, RUNS, labels, marks, read_runs, title
from fggp.analysis.compared_runs import compared, coverage
from fggp.analysis.complete_grids import label_and_start
from fggp.analysis.figure_style import Look, display_names, looks
from fggp.analysis.plan import Plan, read_plan
from fggp.foundation.errors import ResultError
from fggp.study.cell import Cell
from fggp.study.study_folder import argument, read_configuration, read_expected

TEXT = ("backbone", "label", "name", "shape")
WHOLE = ("seed", "epoch", "layer", "update", "step", "total", "kept")


class Material:
    """The tables of a study's folder, each read when it is first asked for.

    They raise ResultError if their file is missing or not such a table. Values from the
    configuration are empty if it is not available.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def runs(self) -> DataFrame:
        """A row per training, as `fggp.analysis.collect.runs_csv.read_runs` returns it."""
        return read_runs(self.folder)

    @cached_property
    def compared(self) -> DataFrame:
        """The trainings that are compared; see `fggp.analysis.compared_runs.compared`."""
        return compared(self.runs, self.plan)

    @cached_property
    def coverage(self) -> str:
        """The part of a partial study that is compared, in a sentence."""
        return coverage(self.runs, self.plan, self.labels)

    @cached_property
    def epochs(self) -> DataFrame:
        """A row per training and epoch."""
        return read_rows(self.folder, "epochs.csv", EPOCHS)

    @cached_property
    def layers(self) -> DataFrame:
        """A row per training and prunable layer."""
        return read_rows(self.folder, "layers.csv", LAYERS)

    @cached_property
    def updates(self) -> DataFrame:
        """A row per training and recorded mask update."""
        return read_rows(self.folder, "updates.csv", UPDATES)

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The checked configuration of the study, as plain data."""
        try:
            return read_configuration(self.folder)
        except ResultError:
            return {}

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells that the study should have; raises ResultError without ``cells.json``."""
        return read_expected(self.folder)[1]

    @cached_property
    def expected(self) -> DataFrame:
        """A row per cell that the study should have; raises ResultError without ``cells.json``."""
        rows = [keys(cell) for cell in self.cells]
        return DataFrame(rows, columns=list(KEYS)).astype({key: RUNS[key] for key in KEYS})

    @cached_property
    def plan(self) -> Plan:
        """The declared plan of the analysis."""
        return read_plan(self.folder)[0]

    @property
    def title(self) -> str:
        """The description of the study."""
        return title(self.folder)

    @property
    def marks(self) -> list[str]:
        """The warnings that every figure has to show."""
        return marks(self.runs)

    @cached_property
    def labels(self) -> list[str]:
        """The labels of the study in its order, those without results yet included."""
        return list(dict.fromkeys([*labels(self.folder), *self.runs["label"]]))

    @cached_property
    def looks(self) -> dict[str, Look]:
        """The style of each label of the study, and of the dense reference, in every figure."""
        return looks([*self.labels, DENSE])

    @cached_property
    def names(self) -> dict[str, str]:
        """The display name of each label of the study, and of the dense reference."""
        return display_names([*self.labels, DENSE])

    def name(self, entry: str) -> str:
        """Return the display name of an entry, which is a label, or a label and a start."""
        label, start = label_and_start(entry)
        name = self.names.get(label, label)
        return f"{name}, {start}" if start else name

    @cached_property
    def shown(self) -> DataFrame:
        """The trainings that figures compare, see `in_starts`."""
        return in_starts(self.compared)

    @property
    def sparsest(self) -> DataFrame:
        """The trainings of `shown` at the highest sparsity that has results, and the dense ones."""
        sparse = self.shown[self.shown["label"] != DENSE]
        return self.shown[
            self.shown["sparsity"].eq(sparse["sparsity"].max()) | self.shown["label"].eq(DENSE)
        ]

    def joined(self, rows: DataFrame, chosen: DataFrame) -> DataFrame:
        """Return the rows of a table that belong to ``chosen`` trainings, in the order of these.

        The columns ``start``, ``width`` and ``x`` are added; ``x`` is the epoch at a ``step`` or of
        an ``epoch``. Trainings that take more epochs than the study (in rounds) are squeezed into
        its epochs.
        """
        taken = ["start", "width", "epochs", "steps_per_epoch"]
        data = chosen[[*KEYS, *taken]].merge(rows, on=list(KEYS), how="inner")
        squeeze = self.squeeze(data)
        if "step" in data:
            data["x"] = data["step"] / data["steps_per_epoch"] * squeeze
        elif "epoch" in data:
            data["x"] = data["epoch"] * squeeze
        return data

    def squeeze(self, data: DataFrame) -> Any:
        """Return the factor of each row by which its training is squeezed, see `joined`."""
        length = data.groupby("label")["epochs"].transform("max")
        study = self.configuration.get("training", {}).get("epochs", length)
        return (study / length).clip(upper=1)


def read_rows(study_folder: Path, name: str, columns: Sequence[str]) -> DataFrame:
    """Read a table that has several rows per training; raises ResultError if it is unusable."""
    path = study_folder / name
    fix = f"write it with `fggp aggregate {quote(argument(study_folder))}`"
    types = {
        column: "str" if column in TEXT else "int64" if column in WHOLE else "float64"
        for column in columns
    }
    try:
        empty = {column: [""] for column in columns if column not in TEXT}
        rows = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=empty)
    except FileNotFoundError:
        raise ResultError(f"{path}: missing; {fix}") from None
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(f"{path}: not a table of the study ({reason}); {fix}") from None
    if not set(columns) <= set(rows.columns):
        raise ResultError(f"{path}: lacks columns that this version writes; {fix}")
    return rows


def in_starts(runs: DataFrame) -> DataFrame:
    """Return the trainings of ranking methods and of the dense reference, by start.

    A method with one start, and the dense network, are in every start of their backbone: once per
    start, which ``start`` names. ``accuracy_percent`` is added. Rows are sorted by backbone, start,
    label and so on, each in the order of the study.
    """
    ranked = runs[runs["ranks"]]
    both = ranked[ranked["starts"] == "both"].sort_values("initial_sparsity", kind="stable")
    names = list(both["start"].unique()) or list(ranked["start"].unique())
    reference = runs[(runs["label"] == DENSE) & runs["backbone"].isin(ranked["backbone"])]
    everywhere = pd.concat([ranked[ranked["starts"] == "one"], reference])
    facets = [
        pd.concat([both[both["start"] == name], everywhere]).assign(start=name) for name in names
    ]
    data = pd.concat(facets, ignore_index=True) if facets else ranked
    place = {
        column: {name: index for index, name in enumerate(order)}
        for column, order in (
            ("label", runs["label"].unique()),
            ("backbone", runs["backbone"].unique()),
            ("start", names),
        )
    }
    return data.assign(accuracy_percent=(100 * data["accuracy_last"]).round(10)).sort_values(
        ["backbone", "start", "label", "sparsity", "seed"],
        key=lambda column: (
            column.map(place.get(str(column.name), {})) if column.name in place else column
        ),
        ignore_index=True,
    )
