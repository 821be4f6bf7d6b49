"""The table of runs: its columns, its reader, and its warnings."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

import pandas as pd
from pandas import DataFrame

from fggp.foundation.errors import ResultError
from fggp.study.study_folder import argument, read_configuration

RUNS = {
    "backbone": "str", "width": "float64", "sparsity": "float64", "initial_sparsity": "float64",
    "start": "str", "label": "str", "method": "str", "ranks": "bool", "starts": "str",
    "seed": "int64", "test_images": "int64", "correct_last": "int64",
    "correct_best_validation": "Int64", "correct_best_test": "int64", "accuracy_last": "float64",
    "accuracy_best_validation": "float64", "accuracy_best_test": "float64", "epochs": "int64",
    "steps_per_epoch": "int64",
    "prunable": "int64", "target": "int64", "kept": "int64", "realised_sparsity": "float64",
    "smallest_layer_density": "float64", "emptied_layers": "int64", "inference_macs": "Int64",
    "training_macs": "Int64", "dense_macs": "Int64", "explored_share": "float64",
    "dead_neurons_share": "float64", "verdict": "str",
    "seconds": "float64", "estimated_seconds": "float64", "threads": "int64",
    "peak_memory_mb": "int64", "images_per_second": "float64", "peak_gflops": "float64",
    "share_of_peak": "float64", "energy_joules": "float64", "counter_joules": "float64",
    "device": "str", "device_name": "str",
    "started": "str", "finished": "str", "numerics": "int64", "code_sha256": "str",
    "python": "str", "numpy": "str", "torch": "str", "data_sha256": "str",
    "weights_sha256": "str", "partial": "bool", "mixed_device": "bool",
}  # fmt: skip
"""Columns of ``runs.csv`` in order. Accuracies are shares of the test images, 0 to 1.

Multiply-accumulates (``…_macs``) are those of one image, and of a whole training
(`fggp.training.flops`). ``explored_share`` is that of the prunable weights that were ever active,
``dead_neurons_share`` that of the ReLU channels that are zero for every test image.
``estimated_seconds`` are those that `fggp.study.costs` expects for the same device and images,
without having seen a training; empty if no rate is on record. ``images_per_second`` are those of
training, ``share_of_peak`` is that of the ``peak_gflops`` of a matrix product
(`fggp.training.speed`). ``counter_joules`` is the increase of the device's energy counter, and
``energy_joules`` the training's part of it: all, and known only if nothing else used the device.
``started`` and ``finished`` are UTC.
"""

MISSING = (
    *("correct_best_validation", "accuracy_best_validation"),
    *("initial_sparsity", "inference_macs", "training_macs", "dense_macs"),
    *("explored_share", "dead_neurons_share", "images_per_second", "peak_gflops"),
    *("share_of_peak", "energy_joules", "counter_joules", "estimated_seconds"),
)
"""Columns that may be empty: without validation images, for methods with one start, for values that
were not measured or have no estimate, and in results that are older than a column."""

DENSE = "dense"
"""The label of the reference, which no other method can have."""


def read_runs(study_folder: Path) -> DataFrame:
    """Read ``runs.csv``; raises ResultError if it is missing or has other columns."""
    path = study_folder / "runs.csv"
    fix = f"write it with `fggp aggregate {quote(argument(study_folder))}`"
    try:
        # A label may be called "nan": empty means missing, and only in these columns.
        runs = pd.read_csv(
            path,
            dtype=RUNS,
            keep_default_na=False,
            na_values={column: [""] for column in MISSING},
        )
    except FileNotFoundError:
        raise ResultError(f"{path}: missing; {fix}") from None
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(f"{path}: not a table of runs ({reason}); {fix}") from None
    if list(runs.columns) != list(RUNS):
        raise ResultError(f"{path}: has other columns than this version writes; {fix}")
    return runs


def title(study_folder: Path) -> str:
    """Return the one-line description of a study; empty if its configuration is not available."""
    try:
        return str(read_configuration(study_folder).get("description", ""))
    except ResultError:
        return ""


def labels(study_folder: Path) -> list[str]:
    """Return the labels of a study in its order; none if its configuration is not available."""
    try:
        return list(read_configuration(study_folder).get("methods", {}))
    except ResultError:
        return []


def is_partial(runs: DataFrame) -> bool:
    """Whether cells of the study are missing."""
    return runs.empty or bool(runs["partial"].any())


def marks(runs: DataFrame) -> list[str]:
    """Return the warnings that every table and figure of ``runs`` must show."""
    shown = ["PARTIAL: results are missing"] if is_partial(runs) else []
    if bool(runs["mixed_device"].any()):
        shown.append("MIXED DEVICES: CPU and CUDA results together")
    return shown
