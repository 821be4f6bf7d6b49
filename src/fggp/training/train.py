"""One training: a cell in, an outcome out. No paths, no command line."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from fggp.data import Dataset
from fggp.study.cell import Cell
from fggp.study.outcome import Outcome
from fggp.training.loop import Report, Run, Stopped, Tick
from fggp.training.step import Row, Sizes
from fggp.training.torch_settings import arithmetic

__all__ = ["Report", "Row", "Sizes", "Stopped", "Store", "Tick", "train"]


PAUSE = 50
"""A checkpoint after an epoch waits for this multiple of the last one's writing time: on a fast
GPU, an epoch takes little longer than writing the state of a network to disk."""


class Store(Protocol):
    """The storage of a training's state; see `fggp.training.checkpoint.Checkpoint`."""

    def save(self, state: dict[str, Any]) -> None:
        """Store ``state``."""

    def load(self) -> dict[str, Any] | None:
        """Return the stored state, if there is one."""


def train(
    cell: Cell,
    dataset: Dataset,
    *,
    device: torch.device,
    store: Store,
    trained: Mapping[str, Tensor] | None = None,
    stop: Callable[[], bool] = lambda: False,
    tick: Tick = lambda done, steps: None,
    report: Report = lambda row, sizes: None,
    finish: Callable[[Run], None] = lambda run: None,
) -> Outcome:
    """Train a cell, or continue it, and return its outcome.

    Args:
        cell: cell to train.
        dataset: images of the cell.
        device: device to train on.
        store: storage of a checkpoint when training stops, and after epochs if that costs little.
        trained: state of the dense network of the same seed, if the method starts from it.
        stop: called before every step; returns whether to stop.
        tick: called after every step with the steps done and those of the whole training.
        report: called with the record of every finished epoch, and the totals of its counts.
        finish: called with the finished training, to keep more of it than its outcome.

    Raises:
        Stopped: if ``stop`` returned true; the state is in ``store``.

    """
    with arithmetic(cell.training):
        run = Run(cell, dataset, device, trained)
        if state := store.load():
            run.load_state_dict(state)
        saved, took = -math.inf, 0.0
        while run.goes_on:
            try:
                run.train_epoch(stop, tick)
            except Stopped:
                store.save(run.state_dict())
                raise
            report(run.close_epoch(), run.sizes)
            began = time.monotonic()
            if began >= saved + PAUSE * took or not run.goes_on:
                store.save(run.state_dict())
                saved = time.monotonic()
                took = saved - began
        outcome = run.outcome()
        finish(run)
        return outcome
