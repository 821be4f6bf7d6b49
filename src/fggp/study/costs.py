"""Estimates of a training's time, memory, energy and disk space, before any similar training.

Measurements of `gpu-check` on a GPU take precedence over the figures on record. Those of devices
are in ``costs.yaml``, those of a network in the file next to it
(`fggp.models.registry.costs_path`), each with its source. All values derived from them are
estimates and are labelled as such. A network without figures is measured
(`fggp.study.networks.measured`), and its time is derived from its work. None means that a value is
not known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, log
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.foundation.quantities import prefixed
from fggp.foundation.validation import nearest
from fggp.methods import METHODS
from fggp.models.registry import costs_path
from fggp.pruning.deep_rewiring import Rewire
from fggp.pruning.recipe import Recipe
from fggp.pruning.timing import epochs_of
from fggp.study import gpu_measurements, networks
from fggp.study.cell import Backbone, Cell, Training, canonical
from fggp.study.gpu_measurements import Measured, StepTime, model_name
from fggp.study.networks import SIDE

LIKE = "resnet50"
"""The network whose speed, relative to its work, is assumed for networks without rates."""
FORWARD = 1 / 3
"""The cost of evaluating an image, as a share of the cost of training on it."""
BASE_MB = 1500
"""PyTorch, its buffers and CIFAR-10; shipped trainings at 1/8 width peak at 1.2 to 1.5 GB."""
CIFAR_IMAGES = 50_000
SPARE = 1.5
LEAST_MB = {"cpu": 4000, "gpu": 8000}
"""CUDA uses some GB of host memory."""
UNKNOWN_MB = 16_000
"""The host memory to request if no estimate is possible."""
LEAST_MINUTES = 30
UNKNOWN_MINUTES = 24 * 60
"""The time to request if no estimate is possible; a training that needs more is continued."""
SLOWER = 6
"""The factor by which a training may exceed the estimate before its time limit stops it."""
STATE_BYTES = 16
"""Per weight: its value, gradient, momentum, mask and a spare copy, at most four bytes each."""
BESIDE_SAVED = 1.5
"""The memory of a step, as a multiple of the tensors saved for the backward pass: 1.4 and 1.55 for
VGG-19 and ResNet-50, by their figures on record."""
PACKED_BYTES = 4.3
"""Per kept weight in a packed file: 1.75 MB for 400 000."""

Kind = Literal["cpu", "gpu"]


@dataclass(frozen=True)
class Device:
    """A training device: its name in ``costs.yaml``, its kind, and its properties.

    Attributes:
        name: its name on the command line.
        kind: "cpu" or "gpu".
        start: seconds until the first step.
        power: watts; for a CPU, per core.
        power_from: the source of that figure.
        stands_for: full name of a GPU that is not in ``costs.yaml`` and is priced as this one.

    """

    name: str
    kind: Kind
    start: float
    power: float
    power_from: str
    stands_for: str = ""

    @property
    def unit(self) -> str:
        """The unit of its hours."""
        return "GPU hours" if self.kind == "gpu" else "core hours"

    def count(self, training: Training) -> int:
        """Return the number of units that one training uses: threads on a CPU, or one GPU."""
        return training.threads if self.kind == "cpu" else 1


@dataclass(frozen=True)
class Rate:
    """Seconds of a training image and of a step, and their source; see ``costs.yaml``."""

    width: float
    image: float
    step: float
    source: str


def devices() -> dict[str, Device]:
    """Return the devices of ``costs.yaml``, and the GPUs that were checked, by name."""
    measured = [_checked_device(it) for it in reversed(gpu_measurements.gpus())]  # the newest last
    return {**_recorded_devices(), **{it.name: it for it in measured}}


def device(name: str) -> Device:
    """Return a device by name; raises Failure for an unknown one."""
    known = devices()
    if name not in known:
        raise Failure(f"no device is called {name!r}{nearest(name, known)}")
    return known[name]


def device_for(training: Training) -> Device:
    """Return the device for a training protocol: tf32 and bf16 need a GPU.

    That is the GPU that was checked last, or an H200 if none was.
    """
    if training.precision == "fp32":
        return device("cpu")
    checked = gpu_measurements.gpus()
    return _checked_device(checked[0]) if checked else device("h200")


def device_named(kind: str, name: str) -> Device:
    """Return the device of a result, by its kind there ("cpu" or "cuda") and its full name.

    An unknown GPU is treated as the slowest known one.
    """
    if kind == "cpu":
        return device("cpu")
    checked = [it for it in gpu_measurements.gpus() if it.name == model_name(name)]
    if checked:
        return _checked_device(checked[0])
    gpus = [it for it in devices().values() if it.kind == "gpu"]
    known = next((it for it in gpus if it.name in name.lower()), None)
    return known or replace(gpus[-1], stands_for=name)


def rate(device: Device, backbone: str, width: float, precision: str) -> Rate | None:
    """Return the rate on record at the nearest width; None without any."""
    rows = [
        Rate(row["width"], row["image"] * 1e-6, row["step"] * 1e-3, row["source"])
        for row in _figures(backbone).get("rates", ())
        if device.name in row["devices"] and precision in row["precision"]
    ]
    return min(rows, key=lambda row: abs(log(row.width / width)), default=None)


def on_record(backbone: Backbone) -> bool:
    """Whether the costs of a network are on record."""
    return backbone.source is None and costs_path(backbone.name).exists()


def rate_of(cell: Cell, device: Device, side: int = SIDE) -> Rate | None:
    """Return the rate for a cell on images of a side; None without any.

    It is measured on the device, or else on record, or else derived from the work of the network.
    """
    recorded = _rate_without_gpu_check(cell, device, side)
    return _measured_rate(cell, device, recorded) or recorded


def _rate_without_gpu_check(cell: Cell, device: Device, side: int) -> Rate | None:
    backbone, precision = cell.backbone, cell.training.precision
    if on_record(backbone):
        return rate(device, backbone.name, float(backbone.width), precision)
    found = networks.measured(backbone, side)
    if found is None or not found.macs:
        return None
    work, whole = found.macs / (side / SIDE) ** 2, int(_figures(LIKE)["macs"])
    like = rate(device, LIKE, (work / whole) ** 0.5, precision)
    if like is None:
        return None
    image = like.image * work / (whole * like.width**2)
    source = (
        f"estimate from the {prefixed(2 * found.macs, 'FLOP')} of a forward pass, at the pace of "
        f"{LIKE}"
    )
    return Rate(float(backbone.width), image, like.step, source)


def step_milliseconds(cell: Cell, side: int, device: Device) -> float | None:
    """Return the milliseconds of a training step by the figures on record; None without any."""
    backbone, training = cell.backbone, cell.training
    row = _rate_without_gpu_check(cell, device, side)
    if row is None:
        return None
    work = (float(backbone.width) / row.width) ** 2 * (side / SIDE) ** 2
    return 1e3 * max(row.step, training.batch_size * row.image * work)


def first_layer_stride(backbone: str) -> int:
    """Return the stride of a network's first layer: pixels of the image per output on a side."""
    return int(_figures(backbone).get("first_layer_stride", 1))


def epochs(cell: Cell) -> int:
    """Return the total number of epochs of a cell, including rounds and fine-tuning."""
    return len(epochs_of(_recipe(cell), cell.training.epochs, cell.sparsity))


def epoch_seconds(cell: Cell, size: Size, device: Device) -> float | None:
    """Return the seconds of one epoch, its evaluation included; None where no rate is on record.

    Args:
        cell: the cell to train.
        size: size of its data set.
        device: the training device; a CPU is assumed to scale perfectly with the cell's threads.

    """
    width, training = float(cell.backbone.width), cell.training
    row = rate_of(cell, device, size.side)
    if row is None:
        return None
    work = (width / row.width) ** 2 * (size.side / SIDE) ** 2
    if _recipe(cell).narrow:
        work *= float(1 - cell.sparsity) ** 0.5  # like its activations; its weights shrink faster
    train = max(1, min(cell.data.train or size.train, size.train - cell.data.validation))
    image = row.image * work
    steps = ceil(train / training.batch_size)
    evaluated = (cell.data.validation + size.test) * image * FORWARD
    seconds = steps * max(row.step, training.batch_size * image) + evaluated
    return seconds / device.count(training)


def seconds(cell: Cell, size: Size, device: Device) -> float | None:
    """Return the seconds of a whole training, its start included; None where it is not known."""
    each = epoch_seconds(cell, size, device)
    return None if each is None else device.start + epochs(cell) * each


def left_out(cell: Cell) -> str:
    """Return the cost that the estimate of a training on a GPU omits, in words; empty for most."""
    recipe = _recipe(cell)
    if recipe.period != 1:
        return ""
    drawn = isinstance(recipe.rule, Rewire) and recipe.rule.noise
    return "a mask update after every step" + (
        ", for which the host draws a random number per active weight" * bool(drawn)
    )


def memory_mb(cell: Cell, size: Size, kind: Kind) -> int:
    """Return the host memory to request, with some to spare."""
    needed = needed_mb(cell, size)
    return UNKNOWN_MB if needed is None else max(LEAST_MB[kind], ceil(SPARE * needed))


def needed_mb(
    cell: Cell, size: Size, *, on_gpu: bool = False, recorded: bool = False
) -> float | None:
    """Return the memory of one training, of its GPU or of its host; None if it is not known.

    ``recorded`` includes the CUDA graphs of a GPU, which keep the memory of a step and are made
    only if that amount stays free. Soft masking has none.
    """
    weights, each = parameters(cell, size.side), _activations_mb(cell.backbone, size.side)
    if weights is None or each is None:
        return None
    soft = _recipe(cell).soft is not None
    images = cell.training.batch_size * each * (2 if recorded and not soft else 1)
    state = weights * STATE_BYTES * (2 if soft else 1) / 1e6
    return BASE_MB + _dataset_mb(cell, size, on_gpu=on_gpu) + images + state


def _dataset_mb(cell: Cell, size: Size, *, on_gpu: bool) -> float:
    """Return the MB of the training images beyond those of CIFAR-10, which `BASE_MB` includes.

    A training pads its images on the device, and its host loads and selects them before.
    """
    copies = 0 if on_gpu else 2
    each, usual = (
        3 * (copies * side**2 + (side + 2 * cell.training.pad) ** 2) for side in (size.side, SIDE)
    )
    return max(0, size.train * each - CIFAR_IMAGES * usual) / 1e6


def minutes(cell: Cell, size: Size, kind: Kind, attempt: int) -> int:
    """Return the minutes to request from a scheduler: enough for a slow device, more every time.

    A training that does not finish stops with a checkpoint, and the next attempt continues it.
    """
    found = [seconds(cell, size, it) for it in devices().values() if it.kind == kind]
    slowest = max((it for it in found if it is not None), default=None)
    if slowest is None:
        return UNKNOWN_MINUTES * attempt
    return LEAST_MINUTES + ceil(SLOWER * attempt * slowest / 60)


def disk_bytes(cell: Cell, size: Size) -> int | None:
    """Return the disk space of a finished cell: result and copy, log, outputs, packed weights.

    None where the number of weights is not known.
    """
    weights = parameters(cell, size.side)
    if weights is None:
        return None
    kept = weights * float(1 - cell.sparsity)
    result = 30_000 + 200 * epochs(cell)
    return round(2 * result + 130 * epochs(cell) + 20 * size.test + PACKED_BYTES * kept)


def checkpoint_bytes(cell: Cell, side: int = SIDE) -> int | None:
    """Return the disk space of the checkpoint of a running cell, including its replacement.

    None where the number of weights is not known.
    """
    weights = parameters(cell, side)
    return None if weights is None else 2 * STATE_BYTES * weights


def study_bytes(ahead: Sequence[Cell], size: Size, at_once: int) -> int | None:
    """Return the disk space of cells, with the largest checkpoints of ``at_once`` of them.

    None where the number of weights of one is not known.
    """
    each = [(disk_bytes(cell, size), checkpoint_bytes(cell, size.side)) for cell in ahead]
    known = [(left, checkpoint) for left, checkpoint in each if left is not None and checkpoint]
    if len(known) < len(each):
        return None
    return sum(left for left, _ in known) + at_once * max((it for _, it in known), default=0)


def parameters(cell: Cell, side: int = SIDE) -> int | None:
    """Return the approximate number of weights and biases of a network; None if not known."""
    if not on_record(cell.backbone):
        found = networks.measured(cell.backbone, side)
        return None if found is None else found.parameters
    whole = _figures(cell.backbone.name).get("parameters")
    return None if whole is None else round(int(whole) * float(cell.backbone.width) ** 2)


def _activations_mb(backbone: Backbone, side: int) -> float | None:
    """Return the MB that an image of a side needs in a training step; None if not known."""
    if not on_record(backbone):
        found = networks.measured(backbone, side)
        return None if found is None else BESIDE_SAVED * found.activations_mb
    each = _figures(backbone.name).get("activations_mb")
    return None if each is None else float(each) * float(backbone.width) * (side / SIDE) ** 2


def _measured_rate(cell: Cell, device: Device, recorded: Rate | None) -> Rate | None:
    """Return the rate by the most similar step timed on a device; None if none was timed.

    A step of less work than the timed one takes at least the timed or the recorded time, whichever
    is less.
    """
    training, width = cell.training, float(cell.backbone.width)

    def distance(it: StepTime) -> tuple[float, bool, float]:
        batch = abs(log(it.batch_size / training.batch_size))
        return abs(log(it.width / width)), it.layout != training.layout, batch

    for measured in gpu_measurements.gpus():
        rows = [
            it
            for it in measured.steps
            if (it.backbone, it.precision) == (cell.backbone.full_name, training.precision)
        ]
        if rows and _checked_device(measured).name == device.name:
            row = min(rows, key=distance)
            step = row.milliseconds * 1e-3
            image = step / row.batch_size / (row.side / SIDE) ** 2
            least = step if recorded is None else min(step, recorded.step)
            return Rate(row.width, image, least, measured.source)
    return None


def _checked_device(measured: Measured) -> Device:
    """Return a GPU that was checked, under its short name where ``costs.yaml`` knows it."""
    known = [it for it in _recorded_devices().values() if it.kind == "gpu"]
    found = next((it for it in known if it.name in measured.device_name.lower()), None)
    usual = found or known[0]
    if measured.watts is None:
        power, power_from = usual.power, f"not known; that of {usual.name.upper()}"
        power_from = usual.power_from if found else power_from
    else:
        power, power_from = measured.watts, "the board's limit by its driver"
    name = found.name if found else measured.name
    return Device(name, "gpu", usual.start, power, power_from)


@cache
def _recorded_devices() -> dict[str, Device]:
    return {name: Device(name, **row) for name, row in _table()["devices"].items()}


def _recipe(cell: Cell) -> Recipe:
    return _recipe_of(cell.method.name, canonical(cell.method.settings))


@cache
def _recipe_of(name: str, settings: str) -> Recipe:
    return METHODS[name].recipe(**json.loads(settings))


@cache
def _table() -> Mapping[str, Any]:
    return _read(Path(__file__).with_suffix(".yaml"))


@cache
def _figures(backbone: str) -> Mapping[str, Any]:
    """Return the figures on record of a network; empty if it has no file."""
    path = costs_path(backbone)
    return _read(path) if path.exists() else {}


def _read(path: Path) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], yaml.safe_load(path.read_text(encoding="utf-8")))
