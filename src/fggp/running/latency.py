"""Inference times of a study's networks, or of one packed file, on this CPU."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote

import torch
from torch import nn

from fggp.data.registry import size_of
from fggp.fast.packed import module_of, read
from fggp.fast.refusal import CompileError
from fggp.fast.stopwatch import cores, times
from fggp.foundation.errors import Failure
from fggp.storage.packing import unpack
from fggp.study.cell import Backbone
from fggp.study.latency_file import Latency
from fggp.study.networks import build
from fggp.study.result_file import weights_path
from fggp.study.study_folder import data_path, read_expected, read_protocol, run_path
from fggp.training.device import choose_device
from fggp.training.provenance import now


@dataclass(frozen=True)
class Subject:
    """A network to measure.

    Attributes:
        name: name of the cell or the file.
        path: path of the packed weights.
        side: pixels along the side of an image.
        backbone: network from outside the package; None if the weights determine it.
        classes: its number of outputs; None if the last matrix of the weights has one row for each.

    """

    name: str
    path: Path
    side: int
    backbone: Backbone | None = None
    classes: int | None = None


def subjects(study_folder: Path, only: str = "") -> list[Subject]:
    """Return a trained network per setting and label of a study: that of its first seed.

    Args:
        study_folder: results folder of the study.
        only: text that the names of the returned cells contain.

    Raises:
        Failure: if none has its weights.

    """
    found: dict[tuple[str, ...], Subject] = {}
    data, _ = read_protocol(study_folder)
    size = size_of(data.kind, data_path(data.name))
    classes = size.classes if size.known else None
    for cell in read_expected(study_folder)[1]:
        path = weights_path(run_path(study_folder, cell))
        if only in cell.id and path.exists():
            foreign = cell.backbone if cell.backbone.source else None
            found.setdefault(cell.name[:-1], Subject(cell.id, path, size.side, foreign, classes))
    if not found:
        which = f" with {only!r} in its name" if only else ""
        raise Failure(
            f"{study_folder}: no trained network{which} has its weights (….weights.fggp) here; "
            f"train it with `fggp run {quote(study_folder.name)}`"
        )
    return list(found.values())


def measure(
    subject: Subject,
    *,
    rounds: int,
    threads: Sequence[int],
    tick: Callable[[], None] = lambda: None,
) -> list[Latency]:
    """Return the rows of one network.

    Raises:
        Failure: if its file cannot be read, or its network cannot be compiled.

    """
    model = _network(subject)
    layers = [it for it in model.modules() if isinstance(it, nn.Conv2d | nn.Linear)]
    image = (_channels(layers, subject), subject.side, subject.side)
    found = times(model, image, threads=tuple(threads), rounds=rounds, tick=tick)
    about = {
        "cell": subject.name,
        "weights_sha256": hashlib.sha256(subject.path.read_bytes()).hexdigest(),
        "kept": sum(int(it.weight.count_nonzero()) for it in layers),
        "weights": sum(it.weight.numel() for it in layers),
        "side": subject.side,
        "processor": choose_device("cpu")[1],
        "cores": cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "torch": torch.__version__,
        "onnxruntime": _version("onnxruntime"),
        "measured": now(),
    }
    return [
        Latency.model_validate(
            about
            | {
                "contender": it.contender, "batch": it.batch, "threads": it.threads,
                "least_ms": round(it.least, 4), "median_ms": round(it.median, 4),
                "rounds": len(it.samples), "clock": it.clock,
            }
        )
        for it in found
    ]  # fmt: skip


def _network(subject: Subject) -> nn.Module:
    if subject.backbone is None:
        return read(subject.path)
    weights = unpack(subject.path)
    last = next(len(it) for it in reversed(weights.values()) if it.ndim > 1)
    classes = subject.classes or last
    into = build(subject.backbone, classes=classes, side=subject.side)
    return module_of(weights, subject.path, into)


def _channels(layers: Sequence[nn.Module], subject: Subject) -> int:
    first = layers[0]
    if not isinstance(first, nn.Conv2d):
        raise CompileError(f"{subject.path}: does not begin with a convolution; measure it by hand")
    return first.in_channels


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def thread_counts() -> list[int]:
    """Return 1, and the number of all cores if there are more."""
    return sorted({1, cores()})


def lines(rows: Sequence[Latency]) -> Iterator[str]:
    """Yield lines for rows: one per batch size, number of threads and contender."""
    for row in rows:
        base = next(
            it.least_ms for it in rows
            if (it.contender, it.batch, it.threads) == ("torch", row.batch, row.threads)
        )  # fmt: skip
        yield (
            f"  batch {row.batch:>3}, {row.threads} thread{'s' if row.threads > 1 else ' '}  "
            f"{row.contender:<20} {row.least_ms:>9.2f} ms (median {row.median_ms:.2f})  "
            f"{base / row.least_ms:>6.1f} × torch"
        )
