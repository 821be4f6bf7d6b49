"""Makes up the results of a small study: files as training leaves them, without training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from math import floor, prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from fggp.cell import Cell
from fggp.config import Study, cells, load
from fggp.results import Result, make, write
from fggp.study import run_path, write_expected

TEST_IMAGES = 1000
LAYERS = {
    "conv1.weight": (8, 3, 3, 3),
    "conv2.weight": (16, 8, 3, 3),
    "conv3.weight": (16, 16, 3, 3),
}
GRID: dict[str, Any] = {
    "data": {"kind": "digits", "name": "digits", "validation": 100},
    "backbones": {"vgg19": {}},
    "sparsities": [0.9, 0.95],
    "initial_sparsities": [0, 0.5],
    "seeds": [1, 2],
    "methods": {"dense": {}, "random": {}, "gmp": {}, "fggp": {}},
    "training": {"epochs": 4},
    "pruning": {"update_every": 10, "end_epoch": 2},
}


def grid(**changes: Any) -> Study:
    """Return a checked study: `GRID` with top-level keys replaced."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(yaml.safe_dump(GRID | changes, sort_keys=False))
        return load(path)


def likely(cell: Cell) -> int:
    """Return a number of correct test images that depends on the cell alone and looks real."""
    best = {"dense": 940, "fggp": 938, "granet": 936, "gmp": 932, "random": 915}
    noise = int(hashlib.sha256(cell.id.encode()).hexdigest()[:4], 16) % 11 - 5
    harm = float(cell.sparsity) ** 20 * (40 if cell.initial_sparsity is None else 20)
    start = 4 if cell.initial_sparsity else 0
    return round(best.get(cell.label, 925) - harm - start) + noise


def fabricate(
    folder: Path,
    study: Study | None = None,
    accuracy: Callable[[Cell], int] = likely,
    *,
    skip: Callable[[Cell], bool] = lambda cell: False,
    change: Callable[[Cell, Result], None] = lambda cell, result: None,
) -> list[Cell]:
    """Write ``cells.json`` and a result for every cell of a study into ``folder``.

    ``accuracy`` gives the correct test images (of `TEST_IMAGES`) at the last epoch; cells that
    ``skip`` says are left out; ``change`` may alter a result before it is written.
    """
    study = study or grid()
    write_expected(study, folder / "cells.json")
    listed = cells(study)
    for cell in listed:
        if not skip(cell):
            result = result_of(cell, accuracy(cell))
            change(cell, result)
            write(result, run_path(folder, cell))
    return listed


def result_of(cell: Cell, correct: int) -> Result:
    """Return a made-up result of a cell."""
    total = sum(prod(shape) for shape in LAYERS.values())
    target = total - floor(total * cell.sparsity + 0.5)
    outcome = {
        "verdict": "completed",
        "images": {"train": 5000, "validation": 100, "test": TEST_IMAGES},
        "steps_per_epoch": 40,
        "prunable": total,
        "target": target,
        "accuracy": {
            "last": {"epoch": cell.training.epochs, "correct": correct},
            "best_validation": {"epoch": 3, "correct": correct - 1},
            "best_test": {"epoch": 3, "correct": correct + 1},
        },
        "epochs": _epochs(cell, correct, total, target),
        "updates": _updates(cell, target),
        "layers": [
            {"name": name, "shape": list(shape), "kept": kept, "nonzero": kept}
            for (name, shape), kept in zip(LAYERS.items(), _spread(target), strict=True)
        ],
        "weights_sha256": hashlib.sha256(cell.canonical().encode()).hexdigest(),
    }
    provenance = {
        "started": "2025-01-01T00:00:00+00:00",
        "finished": "2025-01-01T00:01:00+00:00",
        "seconds": 60.5,
        "peak_memory_mb": 512,
        "device": "cpu",
        "device_name": "a processor",
        "host": {"system": "Linux", "machine": "x86_64", "cores": 2},
        "versions": {"python": "3.11.0", "fggp": "0.1.0", "torch": "2.11.0"},
        "code_sha256": "c" * 64,
    }
    return make(cell.with_data("d" * 64), outcome, provenance)


def _epochs(cell: Cell, correct: int, total: int, target: int) -> list[dict[str, Any]]:
    last = cell.training.epochs
    return [
        {
            "epoch": epoch,
            "lr": 0.1,
            "train_loss": 2.3 / epoch,
            "validation_correct": correct * epoch // (10 * last),
            "test_correct": correct * epoch // last,
            "kept": target if epoch >= cell.pruning.end_epoch else total,
        }
        for epoch in range(1, last + 1)
    ]


def _updates(cell: Cell, target: int) -> list[dict[str, Any]]:
    if cell.initial_sparsity is None or cell.label == "dense":
        return []
    counts = [2 * target, target]
    return [
        {"update": index, "step": 40 * index, "kept": _spread(count)}
        for index, count in enumerate(counts, start=1)
    ]


def _spread(count: int) -> list[int]:
    sizes = [prod(shape) for shape in LAYERS.values()]
    first = min(sizes[0], count // 10 + 1) if count < sum(sizes) else sizes[0]
    second = (count - first) * sizes[1] // (sizes[1] + sizes[2])
    return [first, second, count - first - second]
