"""Makes fabricated results sound: all that they say of themselves fits together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
from fabricate import fabricate, grid

from fggp.storage.logits import write_logits
from fggp.storage.packed_file import Raw, to_bytes
from fggp.study.accuracy_views import views
from fggp.study.cell import Cell
from fggp.study.outcome import Epoch
from fggp.study.protocol import learning_rate, method_of
from fggp.study.result_file import Result, logits_path, weights_path, write
from fggp.study.study_folder import run_path

GROWING = {"granet", "rigl", "set"}


def sound(cell: Cell, result: Result) -> None:
    """Let the views follow from the epochs, and the updates from the schedule of the method."""
    outcome = result["outcome"]
    steps = ceil(outcome["images"]["train"] / cell.training.batch_size)
    outcome["steps_per_epoch"] = steps
    for record in outcome["epochs"]:
        record["lr"] = float(learning_rate(cell, record["epoch"]))
        record["train_loss"] += int(hashlib.sha256(cell.id.encode()).hexdigest()[:6], 16) / 2**24
    outcome["updates"] = list(_updates(cell, outcome))
    outcome["explored"] = outcome["prunable"]
    epochs, end = [Epoch(**record) for record in outcome["epochs"]], cell.pruning.end_epoch
    outcome["accuracy"] = views(epochs, end, end).plain()


def _updates(cell: Cell, outcome: dict[str, Any]) -> Iterator[dict[str, Any]]:
    method, total = method_of(cell, outcome["steps_per_epoch"]), outcome["prunable"]
    if method.recipe.rule is None:
        return
    grown = 3 if cell.method.name in GROWING else 0
    ends = [layer["kept"] for layer in outcome["layers"]]
    before = method.keep(0, total)
    last = (method.timing.steps - method.timing.begin) // method.timing.every
    for number in range(1, last + 1):
        step = method.timing.begin + number * method.timing.every
        if method.update_at(step) is None:
            continue
        kept = method.keep(number, total)
        yield {
            "update": number,
            "step": step,
            "kept": _filled(ends, outcome["layers"], kept),
            "dropped": before - kept + grown,
            "grown": grown,
            "explored": total,
        }
        before = kept


def _filled(ends: list[int], layers: list[dict[str, Any]], count: int) -> list[int]:
    """Return counts per layer that sum to ``count``, filled up from the last layer on."""
    left, counts = count - sum(ends), []
    for end, layer in zip(reversed(ends), reversed(layers), strict=True):
        more = min(left, prod(layer["shape"]) - end)
        counts.append(end + more)
        left -= more
    return counts[::-1]


def sound_study(folder: Path, **changes: Any) -> Path:
    """Write a study whose results are sound into a folder, which is returned."""
    fabricate(folder, grid(**changes), change=sound)
    return folder


def with_files(folder: Path, cell: Cell, result: Result) -> None:
    """Put logits and packed weights beside a result, and the checksum of dense ones into it."""
    outcome, path = result["outcome"], run_path(folder, cell)
    path.parent.mkdir(parents=True, exist_ok=True)
    images, correct = outcome["images"]["test"], outcome["epochs"][-1]["test_correct"]
    labels = np.arange(images) % 10
    logits = np.zeros((images, 10), np.float16)
    logits[np.arange(images), np.where(np.arange(images) < correct, labels, (labels + 1) % 10)] = 1
    write_logits(logits_path(path), logits, labels)
    state = tensors(outcome)
    weights_path(path).write_bytes(to_bytes(state))
    if cell.label == "dense":
        words = b"".join(raw.words.tobytes() for raw in state.values())
        outcome["weights_sha256"] = hashlib.sha256(words).hexdigest()
        write(result, path)


def tensors(outcome: dict[str, Any]) -> dict[str, Raw]:
    """Return made-up weights with as many that are not zero as the layers of an outcome have."""
    state = {}
    for layer in outcome["layers"]:
        words = np.zeros(prod(layer["shape"]), "<u4")
        words[: layer["nonzero"]] = 0x3F800000
        state[layer["name"]] = Raw("float32", tuple(layer["shape"]), words)
    return state
