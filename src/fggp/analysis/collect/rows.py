"""Split one result into the rows of the study's tables."""

from __future__ import annotations

from collections.abc import Iterable
from math import isqrt, prod
from typing import Any

from fggp.data.sizes import Size
from fggp.foundation.errors import ResultError
from fggp.foundation.exact import percent
from fggp.methods import METHODS
from fggp.methods.registry import Pattern
from fggp.study.cell import Cell
from fggp.study.costs import device_named, epoch_seconds, epochs, first_layer_stride, on_record
from fggp.study.networks import SIDE
from fggp.study.outcome import LayerCounts, MaskUpdate, Outcome
from fggp.study.stored_results import StoredResult

Row = dict[str, Any]

VIEWS = ("last", "best_validation", "best_test")
KEYS = ("backbone", "sparsity", "initial_sparsity", "label", "seed")
EPOCHS = (*KEYS, "epoch", "lr", "train_loss", "validation_correct", "test_correct", "kept")
LAYERS = (*KEYS, "layer", "name", "shape", "total", "kept", "density", "macs")
UPDATES = (
    *(*KEYS, "update", "step", "kept", "realised_sparsity"),
    *("dropped", "grown", "jaccard", "explored_share"),
)
MEASURED = (
    *("images_per_second", "peak_gflops", "share_of_peak"),
    *("energy_joules", "counter_joules"),
)
MACS = ("inference_macs", "training_macs", "dense_macs")


def keys(cell: Cell) -> Row:
    """Return the columns that identify a cell in every table: setting, label and seed."""
    initial = cell.initial_sparsity
    return {
        "backbone": cell.backbone.name,
        "sparsity": float(cell.sparsity),
        "initial_sparsity": None if initial is None else float(initial),
        "label": cell.label,
        "seed": cell.seed,
    }


def start(cell: Cell) -> str:
    """Return the start of a cell in words."""
    if cell.initial_sparsity is None:
        return "one start"
    if cell.initial_sparsity == 0:
        return "dense start"
    return f"{percent(cell.initial_sparsity)} % sparse start"


def ranked_pattern(cells: Iterable[Cell]) -> Pattern:
    """Return the pattern of the ranking methods: filters if none of them prunes single weights.

    Whole filters and single weights are two kinds of sparsity, and are never ranked together.
    """
    methods = [METHODS[it.method.name] for it in cells if it.method.name in METHODS]
    competing = {it.pattern for it in methods if it.ranks and it.starts != "none"}
    return "filters" if competing == {"filters"} else "weights"


def run_row(
    item: StoredResult, *, partial: bool, mixed_device: bool, pattern: Pattern = "weights"
) -> Row:
    """Return the row of ``runs.csv``, with the columns `runs_csv.RUNS`.

    Methods of another pattern than ``pattern`` do not rank.
    """
    cell, outcome = item.cell, item.outcome
    if cell.method.name not in METHODS:
        raise ResultError(
            f"{item.path}: unknown method {cell.method.name!r}; restore its file in "
            "fggp/methods, or remove the label from the study"
        )
    method = METHODS[cell.method.name]
    return (
        keys(cell)
        | {
            "width": float(cell.backbone.width),
            "start": start(cell),
            "method": method.name,
            "ranks": method.ranks and method.pattern == pattern,
            "starts": method.starts,
            "partial": partial,
            "mixed_device": mixed_device,
            "epochs": len(outcome.epochs),
            "steps_per_epoch": outcome.steps_per_epoch,
            "prunable": outcome.prunable,
            "target": outcome.target,
            "verdict": outcome.verdict,
            "numerics": outcome.numerics,
            "weights_sha256": outcome.weights_sha256,
        }
        | _accuracies(outcome)
        | _masks(outcome)
        | _diagnostics(outcome)
        | _origin(item)
        | {"threads": cell.training.threads, "estimated_seconds": _estimated(item)}
    )


def epoch_rows(item: StoredResult) -> list[Row]:
    """Return the epochs of a training, with all fields of each record."""
    return [keys(item.cell) | record.plain() for record in item.outcome.epochs]


def layer_rows(item: StoredResult) -> list[Row]:
    """Return the prunable layers in their order, counts at the end of training."""
    return [
        keys(item.cell)
        | {
            "layer": index,
            "name": layer.name,
            "shape": "x".join(map(str, layer.shape)),
            "total": prod(layer.shape),
            "kept": layer.kept,
            "density": layer.kept / prod(layer.shape),
            "macs": layer.macs,
        }
        for index, layer in enumerate(item.outcome.layers)
    ]


def update_rows(item: StoredResult) -> list[Row]:
    """Return the recorded mask updates: the total kept after each, and the change of the mask.

    ``jaccard`` compares with the mask at the previous recorded update: active in both, divided by
    active in either.
    """
    outcome = item.outcome
    return [
        keys(item.cell)
        | {
            "update": update.update,
            "step": update.step,
            "kept": sum(update.kept),
            "realised_sparsity": _sparsity(sum(update.kept), outcome.prunable),
            "dropped": update.dropped,
            "grown": update.grown,
            "jaccard": _jaccard(update),
            "explored_share": _explored(update, outcome),
        }
        for update in outcome.updates
    ]


def _accuracies(outcome: Outcome) -> Row:
    images = outcome.images.test
    views = {name: getattr(outcome.accuracy, name) for name in VIEWS}
    correct = {name: None if view is None else view.correct for name, view in views.items()}
    return {"test_images": images} | {
        f"{quantity}_{view}": value
        for view, count in correct.items()
        for quantity, value in (
            ("correct", count),
            ("accuracy", None if count is None else count / images),
        )
    }


def _masks(outcome: Outcome) -> Row:
    layers = outcome.layers
    return {
        "kept": outcome.kept,
        "realised_sparsity": _sparsity(outcome.kept, outcome.prunable),
        "smallest_layer_density": min(it.kept / prod(it.shape) for it in layers),
        "emptied_layers": sum(layer.kept == 0 for layer in layers),
    }


def _diagnostics(outcome: Outcome) -> Row:
    """Return the values that only newer results record; None in older ones."""
    neurons = outcome.dead_neurons or []  # a network may have no ReLU
    channels = sum(relu.channels for relu in neurons)
    return {name: getattr(outcome, name) for name in MACS} | {
        "explored_share": _explored(outcome, outcome),
        "dead_neurons_share": sum(relu.dead for relu in neurons) / channels if channels else None,
    }


def _explored(record: Outcome | MaskUpdate, outcome: Outcome) -> float | None:
    return None if record.explored is None else record.explored / outcome.prunable


def _jaccard(update: MaskUpdate) -> float | None:
    if update.grown is None or update.dropped is None:
        return None
    kept = sum(update.kept)
    union = kept + update.dropped
    return (kept - update.grown) / union if union else 1.0


def _origin(item: StoredResult) -> Row:
    origin = item.provenance
    taken = ("started", "finished", "seconds", "peak_memory_mb", "device")
    return {name: getattr(origin, name) for name in (*taken, "code_sha256", *MEASURED)} | {
        **{name: getattr(origin.versions, name) for name in ("python", "numpy", "torch")},
        "device_name": origin.devices,
        "data_sha256": item.data_sha256,
    }


def _estimated(item: StoredResult) -> float | None:
    """Return the expected seconds; None if no rate is on record.

    The seconds of a result do not count the start.
    """
    if not on_record(item.cell.backbone):
        return None  # an estimate needs the network to be built
    images, origin = item.outcome.images, item.provenance
    side = _side(item.outcome.layers[0], item.cell.backbone.name)
    size = Size(images.train + images.validation, images.test, side)
    device = device_named(origin.device, origin.device_name)
    each = epoch_seconds(item.cell, size, device)
    return None if each is None else epochs(item.cell) * each


def _side(first: LayerCounts, backbone: str) -> int:
    """Return the side of the images, from the output positions of the first layer."""
    if not first.macs or not first.kept:
        return SIDE
    return isqrt(first.macs // first.kept) * first_layer_stride(backbone)


def _sparsity(kept: int, total: int) -> float:
    return (total - kept) / total
