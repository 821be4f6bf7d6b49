"""``latency.json``: milliseconds of a study's networks, beside its results and never in them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fggp.study.measured_rows import MeasuredRow, read_rows, write_rows

LATENCY = "latency.json"
"""The file, in the folder of a study."""


class Latency(MeasuredRow):
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
    return read_rows(path, Latency, "latency", "latencies")


def write_latency(path: Path, rows: Sequence[Latency]) -> None:
    """Write rows atomically; existing rows of other cells stay."""
    write_rows(path, "latency", read_latency(path), rows)
