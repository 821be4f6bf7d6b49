"""The expected cells of a study, and their finished results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fggp.foundation.errors import IntactResultError
from fggp.study.cell import Cell, Training
from fggp.study.config import Data, cells, load
from fggp.study.result_file import kept
from fggp.study.stored_results import StoredResult, matching
from fggp.study.study_folder import read_expected, read_protocol


@dataclass(frozen=True)
class Expected:
    """The expected cells of a study, by name in training order, its data set and its protocol."""

    study: str
    description: str
    data: Data
    training: Training
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Done:
    """A finished result: its verdict, time, device and energy.

    Attributes:
        verdict: verdict of the outcome.
        seconds: time of the training.
        device: "cpu" or "cuda", and the full name.
        images_per_second: training images per second; None in older results.
        joules: its part of the energy; None if it was not measured.
        moved: names of its devices, in order, if they differ; else empty.

    """

    verdict: str
    seconds: float
    device: tuple[str, str]
    images_per_second: float | None = None
    joules: float | None = None
    moved: str = ""

    @classmethod
    def of(cls, result: StoredResult) -> Done:
        """Return the summary of a result."""
        origin = result.provenance
        return cls(
            result.outcome.verdict,
            origin.seconds,
            (origin.device, origin.device_name),
            origin.images_per_second,
            origin.energy_joules,
            origin.devices if origin.moved else "",
        )


class FinishedCells:
    """Finds the results of cells; an unchanged file is not read again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int, int], Done | None] = {}

    def done(self, cell: Cell, path: Path) -> Done | None:
        """Return the summary of the result of exactly this cell, from ``path`` or its copy."""
        return self._at(cell, path) or self._at(cell, kept(path))

    def _at(self, cell: Cell, path: Path) -> Done | None:
        try:
            found = os.stat(path)
        except OSError:
            return None
        key = (str(path), cell.canonical(), found.st_mtime_ns, found.st_size)
        if key not in self._known:
            try:
                result = matching(cell, path)
            except IntactResultError:  # a run names it and stops; here the others count
                return None
            self._known[key] = None if result is None else Done.of(result)
        return self._known[key]


def expected(home: Path, configuration: Path | None) -> Expected:
    """Return the expected cells of a study.

    Args:
        home: results folder of the study.
        configuration: file of the study; without one, ``cells.json`` in ``home`` defines it.

    Raises:
        Failure: if the configuration, or else ``cells.json``, cannot be used.

    """
    if configuration is None:
        content, listed = read_expected(home)
        about = str(content.get("description", ""))
        return Expected(home.name, about, *read_protocol(home), {cell.id: cell for cell in listed})
    study = load(configuration)
    named = {cell.id: cell for cell in cells(study)}
    return Expected(home.name, study.description, study.data, study.training, named)
