"""Makes up the results of a small study: files as training leaves them, without training."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from itertools import pairwise
from math import floor, prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from pandas import DataFrame

from fggp.analysis.collect.aggregate import aggregate
from fggp.analysis.collect.rows import run_row
from fggp.analysis.collect.runs_csv import RUNS
from fggp.study.cell import Cell
from fggp.study.config import Study, cells, load
from fggp.study.outcome import Outcome
from fggp.study.result_file import NUMERICS, Result, make, write
from fggp.study.stored_results import StoredResult
from fggp.study.study_folder import run_path, write_expected

TEST_IMAGES = 1000
LAYERS = {
    "conv1.weight": (8, 3, 3, 3),
    "conv2.weight": (16, 8, 3, 3),
    "conv3.weight": (16, 16, 3, 3),
}
POSITIONS = (1024, 256, 64)
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


def analysed(
    folder: Path,
    accuracy: Callable[[Cell], int] = likely,
    *,
    partial: bool = False,
    skip: Callable[[Cell], bool] = lambda cell: False,
    change: Callable[[Cell, Result], None] = lambda cell, result: None,
    **changes: Any,
) -> Path:
    """Write results and tables of `grid` with ``changes`` into a folder, which is returned."""
    fabricate(folder, grid(**changes), accuracy, skip=skip, change=change)
    aggregate(folder, partial=partial)
    return folder


def older(cell: Cell, result: Result) -> None:
    """Remove the values that were not recorded at first; a ``change`` of `fabricate`."""
    outcome = result["outcome"]
    for name in ("explored", "dense_macs", "inference_macs", "training_macs", "dead_neurons"):
        del outcome[name]
    for layer in outcome["layers"]:
        del layer["macs"]
    for update in outcome["updates"]:
        for name in ("dropped", "grown", "explored"):
            del update[name]


def measured(cell: Cell, result: Result) -> None:
    """Say what a training cost, alone on its device at 40 W; a ``change`` of `fabricate`."""
    joules = 40 * result["provenance"]["seconds"]
    result["provenance"] |= {
        "images_per_second": 300.0 + cell.seed,
        "peak_gflops": 80.0,
        "share_of_peak": 0.05,
        "energy_joules": joules,
        "counter_joules": joules,
        "energy_shared": False,
    }


def runs_of(
    study: Study | None = None,
    accuracy: Callable[[Cell], int] = likely,
    *,
    skip: Callable[[Cell], bool] = lambda cell: False,
) -> DataFrame:
    """Return ``runs.csv`` of a made-up study as it is read back, without writing a file.

    Cells that ``skip`` says are left out; then the rows are marked partial.
    """
    listed = cells(study or grid())
    found = [cell for cell in listed if not skip(cell)]
    rows = [
        run_row(
            StoredResult.of(result_of(cell, accuracy(cell)), Path(f"{cell.id}.json")),
            partial=len(found) < len(listed),
            mixed_device=False,
        )
        for cell in found
    ]
    return DataFrame(rows, columns=list(RUNS)).astype(RUNS)


def result_of(cell: Cell, correct: int) -> Result:
    """Return a made-up result of a cell."""
    total = sum(prod(shape) for shape in LAYERS.values())
    target = total - floor(total * cell.sparsity + 0.5)
    outcome = {
        "numerics": NUMERICS,
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
            {"name": name, "shape": list(shape), "kept": kept, "nonzero": kept, "macs": kept * at}
            for (name, shape), kept, at in zip(
                LAYERS.items(), _spread(target), POSITIONS, strict=True
            )
        ],
        "explored": _begun(cell, total) + 7,
        "dense_macs": _macs(total),
        "inference_macs": _macs(target),
        "training_macs": 3 * _macs(target) * cell.training.epochs * 5000,
        "dead_neurons": [
            {"name": "relu1", "call": 1, "dead": 1, "channels": 8},
            {"name": "relu2", "call": 1, "dead": 2, "channels": 16},
            {"name": "relu2", "call": 2, "dead": 0, "channels": 16},
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
        "versions": {"python": "3.11.0", "fggp": "0.1.0", "numpy": "2.0.0", "torch": "2.11.0"},
        "code_sha256": "c" * 64,
    }
    return make(cell.with_data("d" * 64), Outcome.model_validate(outcome), provenance)


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
    total = sum(prod(shape) for shape in LAYERS.values())
    counts = [_begun(cell, total), 2 * target, target]
    return [
        {
            "update": index,
            "step": 40 * index,
            "kept": _spread(after),
            "dropped": before - after + 3,
            "grown": 3,
            "explored": counts[0] + 3 * index,
        }
        for index, (before, after) in enumerate(pairwise(counts), start=1)
    ]


def _begun(cell: Cell, total: int) -> int:
    """Return the number of weights of the initial mask."""
    initial = cell.sparsity if cell.initial_sparsity is None else cell.initial_sparsity
    return total - floor(total * initial + 0.5)


def _macs(kept: int) -> int:
    return sum(n * at for n, at in zip(_spread(kept), POSITIONS, strict=True))


def _spread(count: int) -> list[int]:
    sizes = [prod(shape) for shape in LAYERS.values()]
    first = min(sizes[0], count // 10 + 1) if count < sum(sizes) else sizes[0]
    second = (count - first) * sizes[1] // (sizes[1] + sizes[2])
    return [first, second, count - first - second]
