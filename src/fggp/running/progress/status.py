"""The progress of a study: the state of every cell, the time used and left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from fggp.data.sizes import Size
from fggp.foundation.quantities import duration
from fggp.running.progress.finished_cells import Done, Expected, FinishedCells
from fggp.running.progress.pace import Pace
from fggp.running.progress.slurm_endings import Ending, endings
from fggp.running.progress.traces import Trace, Traces
from fggp.study.cell import Cell, Training
from fggp.study.costs import Device

STATES = ("done", "running", "waiting", "stalled", "failed")
SILENT_SECONDS = 600
SILENT_EPOCHS = 5
"""A cell is stalled if nothing changed for the longer of the two."""


@dataclass(frozen=True)
class Standing:
    """The state of a cell.

    Attributes:
        name: of the cell.
        state: one of `STATES`.
        epoch: finished epochs that a rerun does not repeat.
        epochs: of the whole training.
        seconds: what it took; of an unfinished one what its finished epochs take, about.
        left: the seconds that it still takes, about; None where there is no estimate.
        validation: share of the images, at the last finished epoch; None where it is not known.
        test: the same of the test images.
        changed: when any of its files last changed, in seconds of the epoch; 0 without any.
        verdict: of its result.
        images_per_second: of its result; None where that does not say.
        joules: of its result; None where they were not measured.
        moved: the names of the devices of its result, where it was trained on several types.
        note: what to know of it, in one line.
        log: the path of its log, empty where there is none.
        job: the number of the Slurm job of the process that holds it, empty without one.

    """

    name: str
    state: str
    epoch: int
    epochs: int
    seconds: float
    left: float | None = 0
    validation: float | None = None
    test: float | None = None
    changed: float = 0
    verdict: str = ""
    images_per_second: float | None = None
    joules: float | None = None
    moved: str = ""
    note: str = ""
    log: str = ""
    job: str = ""


@dataclass(frozen=True)
class Progress:
    """The progress of a study.

    Attributes:
        study: its name.
        description: in one line.
        cells: the state of each, in training order.
        pace: the basis of the estimate of the time left.
        basis: the source of the pace, one line for each backbone.
        units: cores or GPUs that each training takes.
        now: when that was, in seconds of the epoch.

    """

    study: str
    description: str
    cells: Sequence[Standing]
    pace: Pace
    basis: Sequence[str]
    units: int
    now: float

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of cells in each state."""
        found = Counter(cell.state for cell in self.cells)
        return {state: found[state] for state in STATES}

    def count(self, state: str) -> int:
        """Return how many cells are in a state."""
        return self.counts[state]

    def among(self, state: str) -> list[Standing]:
        """Return the cells in a state, those with most left first."""
        found = [cell for cell in self.cells if cell.state == state]
        return sorted(found, key=lambda cell: -(cell.left or 0))

    @property
    def used(self) -> float:
        """Seconds of the finished cells, as their results say."""
        return sum(cell.seconds for cell in self.cells if cell.state == "done")

    @property
    def speeds(self) -> list[float]:
        """Training images per second of the finished cells that say so."""
        found = (cell.images_per_second for cell in self.cells)
        return [speed for speed in found if speed is not None]

    @property
    def joules(self) -> list[float]:
        """Energy of the finished cells in which it was measured."""
        return [cell.joules for cell in self.cells if cell.joules is not None]

    @property
    def moved(self) -> list[Standing]:
        """The finished cells that were trained on several types of devices."""
        return [cell for cell in self.cells if cell.moved]

    @property
    def begun(self) -> float:
        """Seconds of the finished epochs of unfinished cells, about."""
        return sum(cell.seconds for cell in self.cells if cell.state != "done")

    @property
    def left(self) -> float | None:
        """Seconds of training that are left, about; None where a cell has no estimate."""
        known = [cell.left for cell in self.cells if cell.left is not None]
        return sum(known) if len(known) == len(self.cells) else None

    @property
    def share(self) -> float:
        """The share of the work that is done: of the seconds, or else of the epochs."""
        left = self.left
        if left is None:
            return sum(cell.epoch for cell in self.cells) / sum(cell.epochs for cell in self.cells)
        total = self.used + self.begun + left
        return (self.used + self.begun) / total if total else 1.0

    @property
    def end(self) -> float | None:
        """When all is done if as many cells as now go on running, in seconds of the epoch."""
        running, left = self.among("running"), self.left
        if not running or left is None:
            return None
        return self.now + max(left / len(running), running[0].left or 0)

    @property
    def other_verdicts(self) -> dict[str, int]:
        """Finished cells by verdict, those left out that were trained to the end."""
        found = Counter(cell.verdict for cell in self.cells if cell.state == "done")
        return {verdict: count for verdict, count in found.items() if verdict != "completed"}


def progress(
    home: Path, wanted: Expected, results: Mapping[str, Done], size: Size, device: Device
) -> Progress:
    """Look at the files of a study and return how far it is.

    Args:
        home: its results folder.
        wanted: the cells that it should hold.
        results: those that are there, as `finished` finds them.
        size: of its data set.
        device: what time that is left is estimated for.

    """
    now = time.time()
    traces = Traces(home)
    pace = Pace(device, size, ((wanted.cells[name], it) for name, it in results.items()))
    standings = [
        _done(name, pace.epochs(cell), results[name])
        if name in results
        else _unfinished(name, cell, traces, pace, now)
        for name, cell in wanted.cells.items()
    ]
    return Progress(
        study=wanted.study,
        description=str(wanted.configuration.get("description", "")),
        cells=_with_endings(standings),
        pace=pace,
        basis=pace.basis(wanted.cells.values()),
        units=device.count(Training(**wanted.configuration["training"])),
        now=now,
    )


def finished(home: Path, wanted: Expected, results: FinishedCells | None = None) -> dict[str, Done]:
    """Return the results of exactly these cells, by name; missing ones are left out.

    With the ``results`` of an earlier call, only files that changed since are read.
    """
    traces, results = Traces(home), results or FinishedCells()
    found = {}
    for name, cell in wanted.cells.items():
        path = traces.result(name)
        if path is not None and (result := results.done(cell, Path(path))):
            found[name] = result
    return found


def _done(name: str, epochs: int, result: Done) -> Standing:
    return Standing(
        *(name, "done", epochs, epochs, result.seconds),
        verdict=result.verdict,
        images_per_second=result.images_per_second,
        joules=result.joules,
        moved=result.moved,
    )


def _unfinished(name: str, cell: Cell, traces: Traces, pace: Pace, now: float) -> Standing:
    trace, epochs, each = traces.of(name), pace.epochs(cell), pace.epoch_seconds(cell)
    log = trace.log
    epoch = min(log.epoch, epochs) if log and trace.checkpoint is not None else 0
    silent = now - trace.changed
    limit = SILENT_SECONDS if each is None else max(SILENT_SECONDS, SILENT_EPOCHS * each)
    state, note = _state(trace, epoch, silent, limit)
    left = None if each is None else pace.device.start + (epochs - epoch) * each
    if state == "running" and left is not None and each is not None:
        left = max(0.0, left - min(silent, each))
    share: list[float | None] = [None, None]
    if epoch and log and log.correct:
        images = (cell.data.validation, pace.size.test if pace.size.known else None)
        pairs = zip(log.correct, images, strict=True)
        share = [count / of if of else None for count, of in pairs]
    return Standing(
        name=name,
        state=state,
        epoch=epoch,
        epochs=epochs,
        seconds=epoch * (each or 0.0),
        left=left,
        validation=share[0],
        test=share[1],
        changed=trace.changed,
        note=note,
        log=traces.log_path(name) if log else "",
        job=trace.owner.job if trace.owner else "",
    )


def _with_endings(cells: Sequence[Standing]) -> list[Standing]:
    """Look up the jobs of cells that seem to have ended; Slurm is asked once.

    A cell whose job has ended failed, whatever machine it was on; one whose job is queued again
    waits.
    """
    lost = {cell.job for cell in cells if cell.job and cell.state in ("stalled", "failed")}
    found = endings(lost)
    return [
        _ended(cell, found[cell.job])
        if cell.job in found and cell.state in ("stalled", "failed")
        else cell
        for cell in cells
    ]


def _ended(cell: Standing, ending: Ending) -> Standing:
    state = "waiting" if ending.waits else "failed" if ending.over else cell.state
    return replace(cell, state=state, note=f"{ending.text}; {cell.note}")


def _state(trace: Trace, epoch: int, silent: float, limit: float) -> tuple[str, str]:
    """Return the state of a cell without a result, and what to know of it.

    Args:
        trace: what its training left.
        epoch: its finished epochs.
        silent: seconds since any of it changed.
        limit: seconds after which that is too long.

    """
    again = "a rerun starts from the beginning"
    if trace.checkpoint is not None:
        again = f"a rerun continues at epoch {epoch + 1}" if epoch else "a rerun continues"
    owner, log = trace.owner, trace.log
    error = log.error if log else ""
    if owner is not None:
        ended = owner.here and not owner.alive
        who = f"process {owner.pid} on {owner.host}" if owner.pid else "a process without a name"
        if ended and error:
            return "failed", f"{error}; {again}"
        if ended:
            took = trace.changed - owner.since
            after = f" after about {duration(took)}" if took >= 1 else ""
            return "stalled", f"{who} ended without a result{after}; {again}"
        if silent > limit:
            lives = "lives and " if owner.here else ""
            return "stalled", f"{who} {lives}wrote nothing for {silent / 60:.0f} minutes"
        return "running", who
    if error and log and (trace.checkpoint is None or trace.checkpoint <= log.changed):
        return "failed", f"{error}; {again}"
    return "waiting", again if trace.checkpoint is not None else ""
