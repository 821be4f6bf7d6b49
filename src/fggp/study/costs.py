"""What a training costs: time, memory, energy and disk, before anything like it was trained.

The figures are those of ``costs.yaml``, each with its source. They are estimates, and all that is
made of them says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil, log
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.foundation.validation import nearest
from fggp.methods import METHODS
from fggp.pruning.recipe import Recipe
from fggp.pruning.timing import epochs_of
from fggp.study.cell import BackboneName, Cell, Training, canonical

SIDE = 32
"""Pixels along the side of the images that the rates are about."""
FORWARD = 1 / 3
"""The share of a training image that an evaluated one costs."""
BASE_MB = 1500
"""PyTorch, its buffers and CIFAR-10; shipped trainings at 1/8 width peak at 1.2 to 1.5 GB."""
SPARE = 1.5
LEAST_MB = {"cpu": 4000, "gpu": 8000}
"""CUDA takes some GB of the host's memory."""
LEAST_MINUTES = 30
SLOWER = 6
"""How many times slower than the estimate a training may be before its time limit stops it."""
STATE_BYTES = 16
"""Per weight: itself, gradient, momentum, mask and a spare copy, each of four bytes at most."""
PACKED_BYTES = 4.3
"""Per kept weight in a packed file: 1.75 MB for 400 000."""

Kind = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Device:
    """What trains: a name of ``costs.yaml``, its kind, and what is known of it.

    Attributes:
        name: as on the command line.
        kind: "cpu" or "gpu".
        start: seconds until the first step.
        power: watts; of a CPU, per core.
        power_from: where that figure comes from.

    """

    name: str
    kind: Kind
    start: float
    power: float
    power_from: str

    @property
    def unit(self) -> str:
        """What its hours are counted in."""
        return "GPU hours" if self.kind == "gpu" else "core hours"

    def count(self, training: Training) -> int:
        """Return the units that one training takes: threads on a CPU, one GPU."""
        return training.threads if self.kind == "cpu" else 1


@dataclass(frozen=True)
class Rate:
    """Seconds of a training image and of a step, and where they come from; see ``costs.yaml``."""

    width: float
    image: float
    step: float
    source: str


@cache
def devices() -> dict[str, Device]:
    """Return the devices of ``costs.yaml`` by name."""
    return {name: Device(name, **row) for name, row in _table()["devices"].items()}


def device(name: str) -> Device:
    """Return a device by name; raises Failure for an unknown one."""
    known = devices()
    if name not in known:
        raise Failure(f"no device is called {name!r}{nearest(name, list(known))}")
    return known[name]


def device_for(training: Training) -> Device:
    """Return the device that a training protocol is made for: tf32 and bf16 ask for a GPU."""
    return device("cpu" if training.precision == "fp32" else "h200")


@cache
def device_named(kind: str, name: str) -> Device:
    """Return the device of a result: its kind there ("cpu" or "cuda") and its full name."""
    if kind == "cpu":
        return device("cpu")
    gpus = [it for it in devices().values() if it.kind == "gpu"]
    return next((it for it in gpus if it.name in name.lower()), gpus[0])


def slowest_gpu() -> Device:
    """Return the slowest GPU of ``costs.yaml``, for limits that should hold on any."""
    gpus = [it for it in devices().values() if it.kind == "gpu"]
    return max(gpus, key=lambda gpu: rate(gpu, "resnet50", 1, "tf32").image)


@cache
def rate(device: Device, backbone: BackboneName, width: float, precision: str) -> Rate:
    """Return the rate measured at the nearest width."""
    rows = [
        Rate(row["width"], row["image"] * 1e-6, row["step"] * 1e-3, row["source"])
        for row in _table()["rates"]
        if device.name in row["devices"]
        and row["backbone"] == backbone
        and precision in row["precision"]
    ]
    return min(rows, key=lambda row: abs(log(row.width / width)))


def epochs(cell: Cell) -> int:
    """Return the epochs that a cell trains in all, rounds and fine-tuning counted as they are."""
    return len(epochs_of(_recipe(cell), cell.training.epochs, cell.sparsity))


def epoch_seconds(cell: Cell, size: Size, device: Device) -> float:
    """Return the seconds of one epoch, its evaluation included.

    Args:
        cell: what is trained.
        size: of its data set.
        device: what trains it; a CPU with the cell's threads, as if each helped in full.

    """
    width, training = float(cell.backbone.width), cell.training
    row = rate(device, cell.backbone.name, width, training.precision)
    work = (width / row.width) ** 2 * (size.side / SIDE) ** 2
    if _recipe(cell).narrow:
        work *= float(1 - cell.sparsity) ** 0.5  # as its activations; its weights shrink faster
    train = max(1, min(cell.data.train or size.train, size.train - cell.data.validation))
    image = row.image * work
    steps = ceil(train / training.batch_size)
    evaluated = (cell.data.validation + size.test) * image * FORWARD
    seconds = steps * max(row.step, training.batch_size * image) + evaluated
    return seconds / device.count(training)


def seconds(cell: Cell, size: Size, device: Device) -> float:
    """Return the seconds of a whole training, its start included."""
    return device.start + epochs(cell) * epoch_seconds(cell, size, device)


def memory_mb(cell: Cell, size: Size, kind: Kind) -> int:
    """Return the host memory to ask for, with some to spare."""
    return max(LEAST_MB[kind], ceil(SPARE * needed_mb(cell, size)))


def needed_mb(cell: Cell, size: Size) -> float:
    """Return the memory of one training, on a GPU or, without one, of its host."""
    each = float(_table()["backbones"][cell.backbone.name]["activations_mb"])
    each *= float(cell.backbone.width) * (size.side / SIDE) ** 2
    images = cell.training.batch_size * each
    state = _parameters(cell) * STATE_BYTES * (2 if _recipe(cell).soft else 1) / 1e6
    return BASE_MB + images + state


def minutes(cell: Cell, size: Size, kind: Kind, attempt: int) -> int:
    """Return the minutes to ask a scheduler for: enough for a slow device, more every time.

    A training that does not get through stops with a checkpoint, and the next attempt continues.
    """
    slow = slowest_gpu() if kind == "gpu" else device("cpu")
    return LEAST_MINUTES + ceil(SLOWER * attempt * seconds(cell, size, slow) / 60)


def disk_bytes(cell: Cell, size: Size) -> int:
    """Return what a finished cell leaves on disk: result and copy, log, outputs, packed weights."""
    kept = _parameters(cell) * float(1 - cell.sparsity)
    result = 30_000 + 200 * epochs(cell)
    return round(2 * result + 130 * epochs(cell) + 20 * size.test + PACKED_BYTES * kept)


def checkpoint_bytes(cell: Cell) -> int:
    """Return what the checkpoint of a running cell takes, the one that replaces it included."""
    return 2 * STATE_BYTES * _parameters(cell)


def _parameters(cell: Cell) -> int:
    whole = int(_table()["backbones"][cell.backbone.name]["parameters"])
    return round(whole * float(cell.backbone.width) ** 2)


def _recipe(cell: Cell) -> Recipe:
    return _recipe_of(cell.method.name, canonical(cell.method.settings))


@cache
def _recipe_of(name: str, settings: str) -> Recipe:
    return METHODS[name].recipe(**json.loads(settings))


@cache
def _table() -> Mapping[str, Any]:
    text = Path(__file__).with_suffix(".yaml").read_text()
    return cast(Mapping[str, Any], yaml.safe_load(text))
