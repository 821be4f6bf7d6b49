"""One result taken apart into the rows of the study's tables."""

from __future__ import annotations

from math import isqrt, prod
from typing import Any

from fggp.analysis.collect.consistency import Found
from fggp.data.sizes import Size
from fggp.foundation.errors import ResultError
from fggp.foundation.exact import percent
from fggp.methods import METHODS
from fggp.study.cell import Cell
from fggp.study.costs import SIDE, device_named, epoch_seconds, epochs, first_layer_stride

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
    """Return the row of ``runs.csv``, with the columns `runs_csv.RUNS`."""
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
            "steps_per_epoch": outcome["steps_per_epoch"],
            "prunable": outcome["prunable"],
            "target": outcome["target"],
            "verdict": outcome["verdict"],
            "numerics": outcome["numerics"],
            "weights_sha256": outcome["weights_sha256"],
        }
        | _accuracies(outcome)
        | _masks(outcome)
        | _diagnostics(outcome)
        | _origin(item)
        | {"threads": cell.training.threads, "estimated_seconds": _estimated(item)}
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
            "macs": layer.get("macs"),
        }
        for index, layer in enumerate(item.result["outcome"]["layers"])
    ]


def update_rows(item: Found) -> list[Row]:
    """Return the recorded mask updates: the total kept after each, and how far the mask went.

    ``jaccard`` compares with the mask at the recorded update before: active in both by active in
    any of the two.
    """
    outcome = item.result["outcome"]
    return [
        keys(item.cell)
        | {
            "update": update["update"],
            "step": update["step"],
            "kept": sum(update["kept"]),
            "realised_sparsity": _sparsity(sum(update["kept"]), outcome["prunable"]),
            "dropped": update.get("dropped"),
            "grown": update.get("grown"),
            "jaccard": _jaccard(update),
            "explored_share": _explored(update, outcome),
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


def _diagnostics(outcome: Row) -> Row:
    """Return what results hold that came after this was recorded; None in older ones."""
    neurons = outcome.get("dead_neurons") or []  # a network may have no ReLU
    channels = sum(relu["channels"] for relu in neurons)
    return {name: outcome.get(name) for name in MACS} | {
        "explored_share": _explored(outcome, outcome),
        "dead_neurons_share": sum(relu["dead"] for relu in neurons) / channels
        if channels
        else None,
    }


def _explored(record: Row, outcome: Row) -> float | None:
    return record["explored"] / outcome["prunable"] if "explored" in record else None


def _jaccard(update: Row) -> float | None:
    if "grown" not in update:
        return None
    kept = sum(update["kept"])
    union = kept + update["dropped"]
    return (kept - update["grown"]) / union if union else 1.0


def _origin(item: Found) -> Row:
    origin = item.result["provenance"]
    taken = ("started", "finished", "seconds", "peak_memory_mb", "device", "device_name")
    return {name: origin[name] for name in (*taken, "code_sha256")} | {
        **{name: origin.get(name) for name in MEASURED},
        **{name: origin["versions"][name] for name in ("python", "numpy", "torch")},
        "data_sha256": item.result["cell"]["data"].get("sha256"),
    }


def _estimated(item: Found) -> float | None:
    """Return the seconds that were to be expected; None where no rate is on record.

    The seconds of a result do not count the start.
    """
    outcome, origin = item.result["outcome"], item.result["provenance"]
    images = outcome["images"]
    side = _side(outcome["layers"][0], item.cell.backbone.name)
    size = Size(images["train"] + images["validation"], images["test"], side)
    device = device_named(origin["device"], origin["device_name"])
    each = epoch_seconds(item.cell, size, device)
    return None if each is None else epochs(item.cell) * each


def _side(first: Row, backbone: str) -> int:
    """Return the side of the images, from the output positions of the first layer."""
    if not first.get("macs") or not first["kept"]:
        return SIDE
    return isqrt(first["macs"] // first["kept"]) * first_layer_stride(backbone)


def _sparsity(kept: int, total: int) -> float:
    return (total - kept) / total
