"""One result taken apart into the rows of the study's tables."""

from __future__ import annotations

from math import prod
from typing import Any

from fggp.analysis.checks import Found
from fggp.cell import Cell
from fggp.methods import METHODS
from fggp.ratio import percent
from fggp.results import ResultError

Row = dict[str, Any]

VIEWS = ("last", "best_validation", "best_test")
KEYS = ("backbone", "sparsity", "initial_sparsity", "label", "seed")
EPOCHS = (*KEYS, "epoch", "lr", "train_loss", "validation_correct", "test_correct", "kept")
LAYERS = (*KEYS, "layer", "name", "shape", "total", "kept", "density")
UPDATES = (*KEYS, "update", "step", "kept", "realised_sparsity")


def keys(cell: Cell) -> Row:
    """Return what names a cell in every table: its setting, label and seed."""
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


def run_row(item: Found, *, partial: bool, mixed_device: bool) -> Row:
    """Return the row of ``runs.csv``; its columns are those of `fggp.analysis.frames.RUNS`."""
    cell, outcome = item.cell, item.result["outcome"]
    if cell.method.name not in METHODS:
        raise ResultError(
            f"{item.path}: no method is called {cell.method.name!r} here; put its file back into "
            "fggp/methods, or take the label out of the study"
        )
    method = METHODS[cell.method.name]
    return (
        keys(cell)
        | {
            "width": float(cell.backbone.width),
            "start": start(cell),
            "method": method.name,
            "ranks": method.ranks,
            "starts": method.starts,
            "partial": partial,
            "mixed_device": mixed_device,
            "epochs": len(outcome["epochs"]),
            "prunable": outcome["prunable"],
            "target": outcome["target"],
            "verdict": outcome["verdict"],
            "numerics": outcome["numerics"],
            "weights_sha256": outcome["weights_sha256"],
        }
        | _accuracies(outcome)
        | _masks(outcome)
        | _origin(item)
    )


def epoch_rows(item: Found) -> list[Row]:
    """Return the epochs of a training, with all that each record holds."""
    return [keys(item.cell) | record for record in item.result["outcome"]["epochs"]]


def layer_rows(item: Found) -> list[Row]:
    """Return the prunable layers in their order, counts at the end of training."""
    return [
        keys(item.cell)
        | {
            "layer": index,
            "name": layer["name"],
            "shape": "x".join(map(str, layer["shape"])),
            "total": prod(layer["shape"]),
            "kept": layer["kept"],
            "density": layer["kept"] / prod(layer["shape"]),
        }
        for index, layer in enumerate(item.result["outcome"]["layers"])
    ]


def update_rows(item: Found) -> list[Row]:
    """Return the mask updates, with the total kept after each and the sparsity it means."""
    outcome = item.result["outcome"]
    return [
        keys(item.cell)
        | {
            "update": update["update"],
            "step": update["step"],
            "kept": sum(update["kept"]),
            "realised_sparsity": _sparsity(sum(update["kept"]), outcome["prunable"]),
        }
        for update in outcome["updates"]
    ]


def _accuracies(outcome: Row) -> Row:
    images = outcome["images"]["test"]
    correct = {view: outcome["accuracy"][view]["correct"] for view in VIEWS}
    return {"test_images": images} | {
        f"{quantity}_{view}": value
        for view, count in correct.items()
        for quantity, value in (("correct", count), ("accuracy", count / images))
    }


def _masks(outcome: Row) -> Row:
    layers = outcome["layers"]
    total = sum(layer["kept"] for layer in layers)
    return {
        "kept": total,
        "realised_sparsity": _sparsity(total, outcome["prunable"]),
        "smallest_layer_density": min(it["kept"] / prod(it["shape"]) for it in layers),
        "emptied_layers": sum(layer["kept"] == 0 for layer in layers),
    }


def _origin(item: Found) -> Row:
    origin = item.result["provenance"]
    taken = ("seconds", "peak_memory_mb", "device", "device_name", "code_sha256")
    return {name: origin[name] for name in taken} | {
        "torch": origin["versions"]["torch"],
        "data_sha256": item.result["cell"]["data"].get("sha256"),
    }


def _sparsity(kept: int, total: int) -> float:
    return (total - kept) / total
