"""The time of an epoch: measured in the finished cells of a study, else estimated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from fggp.data.sizes import Size
from fggp.running.progress.finished_cells import Done
from fggp.study import costs
from fggp.study.cell import Cell, Training
from fggp.study.costs import Device


@dataclass(frozen=True)
class _Like:
    """The key of cells with equal cost: epochs, and estimated seconds of each, if any."""

    epochs: int
    estimate: float | None


class Pace:
    """Seconds per epoch of the cells of one study on one device.

    Args:
        device: device that trains.
        size: size of the data set.
        finished: cells with their results; the median over the cells of a backbone completed on a
            device of this kind is the expectation for the others.

    """

    def __init__(self, device: Device, size: Size, finished: Iterable[tuple[Cell, Done]]) -> None:
        self.device, self.size = device, size
        self._cells: dict[tuple[Any, ...], _Like] = {}
        found: dict[str, list[float]] = {}
        for cell, result in finished:
            same = device_of_result(result).kind == device.kind
            if same and result.verdict == "completed":
                each = result.seconds / self.epochs(cell)
                found.setdefault(cell.backbone.name, []).append(each)
        self.measured = {backbone: median(each) for backbone, each in found.items()}
        self.counted = {backbone: len(each) for backbone, each in found.items()}

    def epochs(self, cell: Cell) -> int:
        """Return the total number of epochs of a cell."""
        return self._like(cell).epochs

    def epoch_seconds(self, cell: Cell) -> float | None:
        """Return the expected seconds of one epoch of a cell; None if nothing is known."""
        return self.measured.get(cell.backbone.name) or self._like(cell).estimate

    def seconds(self, cell: Cell) -> float | None:
        """Return the expected seconds of a cell, including its start; None if nothing is known."""
        each = self.epoch_seconds(cell)
        return None if each is None else self.device.start + self.epochs(cell) * each

    def basis(self, cells: Iterable[Cell]) -> list[str]:
        """Return the sources of the figures, one line per backbone, and the costs left out."""
        first: dict[str, Cell] = {}
        more: dict[str, str] = {}
        for cell in cells:
            first.setdefault(cell.backbone.name, cell)
            if self.device.kind == "gpu" and (what := costs.left_out(cell)):
                more.setdefault(cell.method.name, what)
        lines = [f"{backbone}: {self._basis(cell)}" for backbone, cell in first.items()]
        if self.device.stands_for:
            lines.append(
                f"{self.device.stands_for} is not in costs.yaml: priced as {self.device.name}, the "
                "slowest GPU there"
            )
        return [*lines, *(f"{method}: {what}, not counted" for method, what in more.items())]

    def _basis(self, cell: Cell) -> str:
        backbone, each = cell.backbone.name, self.epoch_seconds(cell)
        if backbone in self.measured:
            from_cells = f"{self.counted[backbone]} finished cells of this study"
            return f"{each:.3g} s per epoch, the median of {from_cells}"
        row = costs.rate_of(cell, self.device, self.size.side)
        if each is None or row is None:
            return f"no estimate: no rate is on record for {self.device.name}"
        return f"{each:.3g} s per epoch; {row.source}"

    def _like(self, cell: Cell) -> _Like:
        key = (cell.backbone.name, cell.label, cell.sparsity)
        if key not in self._cells:
            each = costs.epoch_seconds(cell, self.size, self.device)
            self._cells[key] = _Like(costs.epochs(cell), each)
        return self._cells[key]


def device_of_result(result: Done) -> Device:
    """Return the device that a result was made on."""
    return costs.device_named(*result.device)


def with_measured_power(device: Device, training: Training, results: Iterable[Done]) -> Device:
    """Return a device with its power as measured by results, per core or GPU; else unchanged.

    The energy of a training is that of all its units.
    """
    measured = [
        (it.joules, it.seconds)
        for it in results
        if it.joules and it.seconds and _same(device_of_result(it), device)
    ]
    if not measured:
        return device
    watts = sum(joules for joules, _ in measured) / sum(seconds for _, seconds in measured)
    cells = "1 finished cell" if len(measured) == 1 else f"{len(measured)} finished cells"
    return replace(
        device,
        power=watts / device.count(training),
        power_from=f"measured in {cells} of this study",
    )


def _same(one: Device, other: Device) -> bool:
    return (one.name, one.stands_for) == (other.name, other.stands_for)


def device_of(training: Training, results: Iterable[Done]) -> Device:
    """Return the device of most results; without results, the device of the protocol."""
    names = Counter(it.device for it in results)
    if not names:
        return costs.device_for(training)
    return costs.device_named(*names.most_common(1)[0][0])
