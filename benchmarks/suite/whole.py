"""The cost of a whole training, evaluation and checkpoints included, and of a grid of them."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import torch

from fggp.study.config import cells, load
from fggp.training.checkpoint import Checkpoint
from fggp.training.train import Stopped, train
from suite.gpu_steps import release
from suite.training import BATCH, cell, dataset
from suite.work import Options, Row

EPOCHS = 160
MEASURED = 5
"""Trained epochs: the first, with the setup, and those that represent the rest."""
IMAGES = {"train": 45_000, "validation": 5_000, "test": 10_000}
TINY = {"train": 64, "validation": 16, "test": 16}
STUDY = Path(__file__).parents[2] / "config" / "paper.yaml"


def measure(device: str, options: Options) -> list[Row]:
    """Return seconds of a training of 160 epochs by backbone and precision, and GPU hours."""
    rows = []
    for precision in ("bf16", "tf32"):
        seconds = {}
        for backbone in ("vgg19", "resnet50"):
            seconds[backbone] = training(backbone, precision, device, options)
            name, took = f"{backbone}, {precision}", (seconds[backbone],)
            rows.append(Row("160 epochs", name, "ours, granet", "s", took))
        rows.append(grid(seconds, precision))
    return rows


def training(backbone: str, precision: str, device: str, options: Options) -> float:
    """Return the seconds of a training of 160 epochs, from those of the first few."""
    images, batch = (TINY, 16) if options.tiny else (IMAGES, BATCH)
    wanted = cell(
        backbone,
        batch,
        "channels_last",
        "granet",
        options,
        precision=precision,
        validation=images["validation"],
    )
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with suppress(Stopped):
            train(
                wanted,
                dataset(**images),
                device=torch.device(device),
                store=Checkpoint(Path(folder) / "ckpt", wanted, device),
                stop=lambda: len(ends) == (2 if options.tiny else MEASURED),
                report=lambda row, sizes: ends.append(time.monotonic() - began),
            )
    release(device)
    return ends[0] + (EPOCHS - 1) * (ends[-1] - ends[0]) / (len(ends) - 1)


def grid(seconds: dict[str, float], precision: str) -> Row:
    """Return the hours of the default study, if all trainings of a network cost the same."""
    numbers = Counter(each.backbone.name for each in cells(load(STUDY)))
    hours = sum(seconds[name] * number for name, number in numbers.items()) / 3600
    note = ", ".join(f"{number} trainings of {name}" for name, number in numbers.items())
    return Row("160 epochs", f"config/{STUDY.name}, {precision}", "ours", "h", (hours,), note=note)
