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
from fggp.study.cell import Cell
from fggp.study.costs import Device

STATES = ("done", "running", "waiting", "stalled", "failed")
SILENT_SECONDS = 600
SILENT_EPOCHS = 5
"""A cell is stalled if nothing changed for the longer of the two times."""
CHECKPOINT_SECONDS = 5
"""Time between a checkpoint and the line in the log that a training was stopped."""


@dataclass(frozen=True)
class Standing:
    """The state of a cell.

    Attributes:
        name: name of the cell.
        state: one of `STATES`.
        epoch: finished epochs; a rerun may repeat the last ones if it has an older checkpoint.
        epochs: epochs of the whole training.
        seconds: time taken; for an unfinished cell, the estimated time of its finished epochs.
        left: estimated seconds left; None if there is no estimate.
        validation: share of correct validation images at the last finished epoch; None if unknown.
        test: the same for the test images.
        changed: time of the last change of any of its files, in seconds since the Unix epoch; 0
            without any.
        verdict: verdict of its result.
        images_per_second: speed in its result; None if the result has none.
        joules: energy in its result; None if it was not measured.
        moved: names of the devices of its result, if it was trained on several types.
        note: a remark, on one line.
        log: path of its log; empty if there is none.
        job: number of the Slurm job of the process that holds it; empty without one.

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
        study: name of the study.
        description: its description, on one line.
        cells: state of each cell, in training order.
        pace: basis of the estimate of the time left.
        basis: source of the pace, one line for each backbone.
        units: cores or GPUs of each training.
        now: time of this progress, in seconds since the Unix epoch.

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
        """Return the number of cells in a state."""
        return self.counts[state]

    def among(self, state: str) -> list[Standing]:
        """Return the cells in a state, those with the most time left first."""
        found = [cell for cell in self.cells if cell.state == state]
        return sorted(found, key=lambda cell: -(cell.left or 0))

    @property
    def used(self) -> float:
        """Seconds of the finished cells, according to their results."""
        return sum(cell.seconds for cell in self.cells if cell.state == "done")

    @property
    def speeds(self) -> list[float]:
        """Training images per second of the finished cells that record it."""
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
        """Estimated seconds of the finished epochs of unfinished cells."""
        return sum(cell.seconds for cell in self.cells if cell.state != "done")

    @property
    def left(self) -> float | None:
        """Estimated seconds of training left; None if a cell has no estimate."""
        known = [cell.left for cell in self.cells if cell.left is not None]
        return sum(known) if len(known) == len(self.cells) else None

    @property
    def share(self) -> float:
        """The share of the work done: of the seconds, or else of the epochs."""
        left = self.left
        if left is None:
            return sum(cell.epoch for cell in self.cells) / sum(cell.epochs for cell in self.cells)
        total = self.used + self.begun + left
        return (self.used + self.begun) / total if total else 1.0

    @property
    def end(self) -> float | None:
        """The expected end with the current number of running cells, in seconds since the epoch."""
        running, left = self.among("running"), self.left
        if not running or left is None:
            return None
        return self.now + max(left / len(running), running[0].left or 0)

    @property
    def other_verdicts(self) -> dict[str, int]:
        """Finished cells by verdict, without those that were trained to the end."""
        found = Counter(cell.verdict for cell in self.cells if cell.state == "done")
        return {verdict: count for verdict, count in found.items() if verdict != "completed"}


def progress(
    home: Path, wanted: Expected, results: Mapping[str, Done], size: Size, device: Device
) -> Progress:
    """Read the files of a study and return its progress.

    Args:
        home: results folder of the study.
        wanted: expected cells.
        results: existing results, as `finished` finds them.
        size: size of the data set.
        device: device for the estimate of the time left.

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
        description=wanted.description,
        cells=_with_endings(standings),
        pace=pace,
        basis=pace.basis(wanted.cells.values()),
        units=device.count(wanted.training),
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

    A cell whose job has ended has failed, whatever machine it was on; a cell whose job is queued
    again is waiting.
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
    """Return the state of a cell without a result, and a remark.

    Args:
        trace: files of its training.
        epoch: number of finished epochs.
        silent: seconds since any of the files changed.
        limit: seconds after which the cell is stalled.

    """
    again = "a rerun starts from the beginning"
    if trace.checkpoint is not None:
        again = f"a rerun continues at epoch {epoch + 1}" if epoch else "a rerun continues"
        # On a fast GPU not every epoch has a checkpoint.
        if epoch and trace.log and trace.checkpoint + CHECKPOINT_SECONDS < trace.log.changed:
            again += " or earlier"
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
            lives = "is alive but " if owner.here else ""
            return "stalled", f"{who} {lives}wrote nothing for {silent / 60:.0f} minutes"
        return "running", who
    if error and log and (trace.checkpoint is None or trace.checkpoint <= log.changed):
        return "failed", f"{error}; {again}"
    return "waiting", again if trace.checkpoint is not None else ""
