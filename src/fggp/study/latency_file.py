"""``latency.json``: latencies of a study's networks, next to its results and never in them."""

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
        weights_sha256: checksum of the packed file with its weights.
        kept: weights that are not zero.
        weights: all weights of convolutions and linear layers.
        side: pixels along the side of an image.
        contender: the way of computing, see `fggp.fast.contenders`.
        batch: images in a call.
        threads: threads of the contender.
        least_ms: milliseconds of the fastest round.
        median_ms: median milliseconds of all rounds.
        rounds: number of rounds.
        clock: ``cpu`` or ``wall``, see `fggp.fast.stopwatch`.
        processor: name of the processor.
        cores: cores available to the process.
        system: the operating system and the architecture.
        torch: version of PyTorch.
        onnxruntime: its version, or None if it is not installed.
        measured: time of the measurement, UTC.

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
    """Return the rows of a file, none if there is no file.

    Raises:
        ResultError: where the file is damaged.

    """
    return read_rows(path, Latency, "latency", "latencies")


def write_latency(path: Path, rows: Sequence[Latency]) -> None:
    """Write rows atomically; existing rows of other cells stay."""
    write_rows(path, "latency", read_latency(path), rows)
