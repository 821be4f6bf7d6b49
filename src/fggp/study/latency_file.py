"""``latency.json``: milliseconds of a study's networks, beside its results and never in them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.study.cell import Record

LATENCY = "latency.json"
"""The file, in the folder of a study."""


class Latency(Record):
    """The time of one batch, for one way of computing one network.

    Attributes:
        cell: the name of the cell, or of the file that was measured.
        weights_sha256: of the packed file with its weights.
        kept: weights that are not zero.
        weights: all weights of convolutions and linear layers.
        side: pixels of an image.
        contender: the way, see `fggp.fast.contenders`.
        batch: images in a call.
        threads: of the contender.
        least_ms: milliseconds of the fastest round.
        median_ms: of all rounds.
        rounds: how many.
        clock: ``cpu`` or ``wall``, see `fggp.fast.stopwatch`.
        processor: its name.
        cores: that the process could use.
        system: the operating system and the architecture.
        torch: its version.
        onnxruntime: its version, or None where it is not installed.
        measured: when, UTC.

    """

    cell: str
    weights_sha256: str
    kept: int
    weights: int
    side: int
    contender: str
    batch: int
    threads: int
    least_ms: float
    median_ms: float
    rounds: int
    clock: str
    processor: str
    cores: int
    system: str
    torch: str
    onnxruntime: str | None
    measured: str


def read_latency(path: Path) -> list[Latency]:
    """Return the rows of a file, none where there is no file.

    Raises:
        ResultError: where it is damaged.

    """
    if not path.exists():
        return []
    try:
        return [Latency.model_validate(it) for it in json.loads(path.read_text())["latency"]]
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(
            f"{path}: not a file of latencies ({reason}); delete it and measure again"
        ) from None


def write_latency(path: Path, rows: Sequence[Latency]) -> None:
    """Write rows atomically; existing rows of other cells stay."""
    cells = {it.cell for it in rows}
    kept = [it for it in read_latency(path) if it.cell not in cells]
    content: dict[str, Any] = {
        "latency": [it.model_dump() for it in sorted([*kept, *rows], key=lambda it: it.cell)]
    }
    write_text(path, json.dumps(content, indent=1) + "\n")
