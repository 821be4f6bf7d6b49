"""The parts of the check, each of which yields findings; `check` defines their order.

A training on a GPU must reach the same weights whether its steps are recorded as CUDA graphs or
not, whether it was stopped and resumed or not, and whether it had the GPU to itself or not. Its
masks must equal those of the CPU. Its speed must be known before hundreds of trainings are started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fggp.running.doctor.context import Place
from fggp.running.doctor.finding import Finding, ok, warning, wrong
from fggp.running.gpu_check import specimens
from fggp.running.gpu_check.asking import ask
from fggp.study import costs
from fggp.study.cell import Cell
from fggp.study.config import Study
from fggp.study.gpu_measurements import StepTime

NO_GRAPH = "no CUDA graph is used"
"""The message of a training that continues with plain steps; see `fggp.training.cuda_graphs`."""
PRECISIONS = ("tf32", "bf16", "fp32")


@dataclass
class Bench:
    """The shared state of the parts.

    Attributes:
        place: subject of the examination; its study defines the trainings.
        device: "cuda" or "cpu".
        home: temporary folder.
        weights: checksum of the weights of each single training, by name, once it has run.
        joules: increase of the board's counter in each of them; None if it cannot be read.
        steps: step times, once they have been measured.

    """

    place: Place
    device: str
    home: Path
    weights: dict[str, str] = field(default_factory=dict)
    joules: list[float | None] = field(default_factory=list)
    steps: list[StepTime] = field(default_factory=list)

    @property
    def study(self) -> Study:
        """The study whose networks and protocol are used."""
        assert self.place.study is not None
        return self.place.study

    @property
    def tiny(self) -> bool:
        """Whether networks are narrow and images few, as on a CPU."""
        return self.device == "cpu"

    @property
    def side(self) -> int:
        """Pixels along the side of the images."""
        return specimens.TINY_SIDE if self.tiny else self.place.size.side

    @property
    def data(self) -> Path:
        """The data file of all trainings, written on first use."""
        path = self.home / "images.npz"
        if not path.exists():
            specimens.write_images(self.study, self.side, path, tiny=self.tiny)
        return path

    @property
    def cells(self) -> dict[str, Cell]:
        """The trainings, by name."""
        return specimens.trainings(self.study, tiny=self.tiny)


Part = Callable[[Bench], Iterator[Finding]]


def trainings(bench: Bench) -> Iterator[Finding]:
    """Train each cell recorded, plain, and stopped and resumed, and compare the weights."""
    for number, (name, cell) in enumerate(bench.cells.items()):
        folder = bench.home / f"training{number}"
        folder.mkdir()
        yield _equal(bench, name, cell, folder)
    if bench.joules and bench.device == "cuda":
        yield _energy(bench.joules)


def _energy(joules: list[float | None]) -> Finding:
    """Report whether the trainings could read the energy counter of the GPU."""
    known = [it for it in joules if it is not None]
    if len(known) == len(joules):
        return ok("energy", f"the counter of the board rose by {sum(known):.0f} J")
    fix = "install nvidia-ml-py; a part of a GPU (MIG) has no counter"
    return warning(
        "energy", "the energy counter of the board cannot be read; results will have no energy", fix
    )


def _equal(bench: Bench, name: str, cell: Cell, folder: Path) -> Finding:
    steps = specimens.TINY_STEPS if bench.tiny else specimens.STEPS
    stop = steps + 1 + steps // 2  # in the middle of the second epoch
    ways = {
        way: {"checkpoint": str(folder / way), "graphs": way != "plain", "stop": None}
        for way in ("recorded", "plain", "stopped")
    }
    shared = {"cell": cell.plain(), "data": str(bench.data), "device": bench.device}
    first = ask("training", shared | {"ways": ways | {"stopped": ways["stopped"] | {"stop": stop}}})
    if first.failure:
        return wrong(name, f"training fails: {first.failure}", "fix that first")
    second = ask("training", shared | {"ways": {"stopped": ways["stopped"]}})
    if second.failure:
        return wrong(name, f"a stopped training does not resume: {second.failure}", "fix that")
    resumed, recorded = second.facts["stopped"], first.facts["recorded"]
    if first.facts["stopped"]["weights"] is not None or resumed["first"] != stop + 1:
        found = f"did not stop after step {stop}, but resumed at step {resumed['first']}"
        return wrong(name, found, "check what handles SIGTERM in this process")
    if NO_GRAPH in first.said:
        line = next(it for it in first.said.splitlines() if NO_GRAPH in it)
        return wrong(name, line, "export FGGP_GRAPHS=no, and expect slower trainings")
    weights = {"recorded": recorded, "plain": first.facts["plain"], "resumed": resumed}
    different = [way for way, it in weights.items() if it["weights"] != recorded["weights"]]
    if different:
        found = f"the weights of the {' and the '.join(different)} training differ"
        return wrong(name, found, "do not train here: results would not be reproducible")
    bench.weights[name] = recorded["weights"]
    bench.joules.append(recorded["joules"])
    return ok(name, f"recorded, plain and resumed are equal; {recorded['seconds']:.1f} s")


def side_by_side(bench: Bench) -> Iterator[Finding]:
    """Train two seeds of the first cell in one job, and compare one with the single training."""
    from fggp.running.gpu_check.pair import pair

    name, cell = next(iter(bench.cells.items()))
    yield pair(cell, bench.data, bench.home / "pair", bench.device, bench.weights.get(name))


def masks(bench: Bench) -> Iterator[Finding]:
    """Compare the masks of mask updates with those of the CPU."""
    name, block = next(iter(bench.study.backbones.items()))
    backbone = specimens.network(name, block, tiny=bench.tiny)
    question = {"device": bench.device, "backbone": backbone.model_dump(mode="json")}
    answer = ask("masks", question)
    if answer.failure:
        yield wrong("masks", f"they cannot be compared: {answer.failure}", "fix that first")
        return
    updates, different = answer.facts["updates"], answer.facts["different"]
    if different:
        listed = ", ".join(f"{count} entries of {name}" for name, count in different.items())
        fix = "do not train here: masks depend on the device"
        yield wrong("masks", f"they differ from the CPU's in {listed}", fix)
    else:
        yield ok("masks", f"those of {updates} updates of {name} equal the CPU's")


def step_times(bench: Bench) -> Iterator[Finding]:
    """Measure a step of each network in each precision, and report it with the estimate."""
    cells = [
        _timed(bench, backbone, precision)
        for backbone in bench.study.backbones
        for precision in PRECISIONS
    ]
    question = {"device": bench.device, "cells": [cell.plain() for cell in cells]}
    answer = ask("steps", question | {"side": bench.side, "tiny": bench.tiny})
    if answer.failure:
        yield wrong("step times", f"they cannot be measured: {answer.failure}", "fix that")
        return
    for cell, milliseconds in zip(cells, answer.facts["milliseconds"], strict=True):
        time = _step_time(bench, cell, milliseconds)
        bench.steps.append(time)
        expected = "" if time.estimate is None else f" (estimate: {time.estimate:.3g})"
        found = f"{milliseconds:.3g} ms per step of {time.batch_size} images{expected}"
        yield ok(f"{time.backbone} {time.precision} {time.layout}", found)


def _timed(bench: Bench, backbone: str, precision: str) -> Cell:
    """Return a training in which no mask is updated for a long time."""
    cell = specimens.training(
        bench.study, backbone, "granet", tiny=bench.tiny, precision=precision, epochs=10**4
    )
    rare = {"update_every": 10**3, "end_epoch": 5 * 10**3}
    return cell.model_copy(update={"pruning": cell.pruning.model_copy(update=rare)})


def _step_time(bench: Bench, cell: Cell, milliseconds: float) -> StepTime:
    name = bench.place.probed.gpus[0].name if bench.place.probed.gpus else ""
    device = costs.device("cpu") if bench.tiny else costs.device_named("cuda", name)
    return StepTime(
        backbone=cell.backbone.full_name,
        width=float(cell.backbone.width),
        precision=cell.training.precision,
        layout=cell.training.layout,
        batch_size=cell.training.batch_size,
        side=bench.side,
        milliseconds=milliseconds,
        estimate=costs.step_milliseconds(cell, bench.side, device),
    )
