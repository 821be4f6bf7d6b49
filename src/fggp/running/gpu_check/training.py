"""Train one cell in several ways that must reach the same weights, in a separate process."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fggp.data import Dataset, load
from fggp.foundation.user_variables import GRAPHS
from fggp.running.gpu_check.asking import answer
from fggp.running.signals import stopping
from fggp.study.cell import Cell
from fggp.training.checkpoint import Timed
from fggp.training.device import choose_device
from fggp.training.train import Stopped, train


def trained(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Train a cell in several ways, one after the other; returns the outcome of each by name.

    Args:
        asked: ``cell``, ``data`` (its file), ``device``, and ``ways`` by name. Each has
            ``checkpoint`` (a path), ``graphs`` (whether steps may be recorded), and ``stop``, the
            step at which the process sends itself SIGTERM (None: it trains to the end).

    """
    dataset = load(Path(asked["data"]))
    cell = Cell(**asked["cell"]).with_data(dataset.sha256)
    device, _ = choose_device(asked["device"])
    found = {}
    for name, way in asked["ways"].items():
        os.environ[GRAPHS] = "yes" if way["graphs"] else "no"
        found[name] = _one(cell, dataset, device, Path(way["checkpoint"]), way["stop"])
        gc.collect()  # a step and its recording refer to each other
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return found


def _one(
    cell: Cell, dataset: Dataset, device: torch.device, checkpoint: Path, stop: int | None
) -> dict[str, Any]:
    """Train, or continue, a cell once.

    Returns:
        ``weights`` (their checksum; None if it stopped), ``first`` (the number of the first step
        done), ``seconds`` and ``joules`` of the board (None if no counter can be read).

    """
    store = Timed(checkpoint, cell, device.type)
    seen: list[int] = []
    with stopping() as asked:

        def tick(done: int, steps: int) -> None:
            seen.append(done)
            if done == stop:
                os.kill(os.getpid(), signal.SIGTERM)

        ticking = store.ticking(tick)
        try:
            outcome = train(cell, dataset, device=device, store=store, stop=asked, tick=ticking)
        except Stopped:
            return {"weights": None, "first": seen[0]}
    return {
        "weights": outcome.weights_sha256,
        "first": seen[0],
        "seconds": store.seconds,
        "joules": store.meter.record()["counter_joules"],
    }


if __name__ == "__main__":
    answer(trained)
