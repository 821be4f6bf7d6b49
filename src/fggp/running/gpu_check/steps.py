"""Time a training step, by network and precision, in a separate process."""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import torch

from fggp.running.gpu_check.asking import answer
from fggp.running.gpu_check.specimens import images
from fggp.study.cell import Cell
from fggp.training.device import choose_device
from fggp.training.loop import Run
from fggp.training.torch_settings import arithmetic

ROUNDS = 3
STEPS = 20
SETTING_UP = 4
"""Steps until one has been recorded."""


def measured(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``milliseconds``, those of a step of each cell, the median of several rounds.

    Args:
        asked: ``device``, ``cells``, ``side`` of the images, and ``tiny``: a few steps, only to see
            that they run.

    """
    device, _ = choose_device(asked["device"])
    steps = SETTING_UP if asked["tiny"] else STEPS
    found = []
    for plain in asked["cells"]:
        found.append(_milliseconds(Cell(**plain), asked["side"], steps, device))
        gc.collect()  # a step and its recording refer to each other
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return {"milliseconds": found}


def _milliseconds(cell: Cell, side: int, steps: int, device: torch.device) -> float:
    with arithmetic(cell.training):
        run = Run(cell, images(cell.training.batch_size, side, steps=steps, odd=0), device)
        taken = [_epoch(run, device) for _ in range(1 + ROUNDS)]
    return 1e3 * median(taken[1:]) / steps  # the first one sets up


def _epoch(run: Run, device: torch.device) -> float:
    """Train the first epoch once more, and return its seconds."""
    run.step = 0
    _wait(device)
    began = time.perf_counter()
    run.train_epoch(lambda: False, lambda done, steps: None)
    _wait(device)
    return time.perf_counter() - began


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    answer(measured)
