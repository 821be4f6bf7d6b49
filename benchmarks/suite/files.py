"""The cost of a file of a sparse VGG-19: its size, and the time to write and to read it.

The network has new weights and a random ERK mask, which leaves -0.0 for half of the pruned weights
as training does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

import fggp
from fggp.models import build
from suite.ours import FULL, NARROW, sgd
from suite.work import Options, Row, Work
from suite.worker import side_by_side

SPARSITIES = ("90 %", "95 %", "98 %")

Write = Callable[[dict[str, Any], Path], object]
Read = Callable[[Path], dict[str, Any]]

FORMATS: dict[str, tuple[Write, Read]] = {
    "ours, positive zeros": (partial(fggp.pack, positive_zeros=True), fggp.unpack),
    "ours": (fggp.pack, fggp.unpack),
    "torch.save": (torch.save, partial(torch.load, weights_only=True)),
    "safetensors": (save_file, load_file),
}


def measure(options: Options) -> list[Row]:
    """Return MB of each file, and milliseconds."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for sparsity in SPARSITIES[-1:] if options.tiny else SPARSITIES:
            rows += sizes(sparsity, options.tiny, folder)
            for doing, work in {"write": writing, "read": reading}.items():
                contenders = {
                    form: partial(work, form, sparsity, options.tiny, folder) for form in FORMATS
                }
                case = f"{doing}, {sparsity}"
                rows += side_by_side(
                    "writing and reading it",
                    case,
                    contenders,
                    rounds=options.times(15),
                    threads=options.threads,
                )
    return rows


def network(sparsity: str, tiny: bool) -> nn.Module:
    """Return a VGG-19 for ten classes, masked at random."""
    torch.manual_seed(0)
    model = build("vgg19", width=NARROW if tiny else FULL)
    share = f"0.{sparsity.partition(' ')[0]}"
    fggp.Pruner(model, sgd(model), fggp.method("random", sparsity=share, steps=2))
    return model


def sizes(sparsity: str, tiny: bool, folder: Path) -> list[Row]:
    """Write a file in every format and return their sizes."""
    state = network(sparsity, tiny).state_dict()
    rows = []
    for form, (write, _) in FORMATS.items():
        path = folder / form
        write(state, path)
        size = path.stat().st_size / 1e6
        rows.append(Row("file of a VGG-19", sparsity, form, "MB", (size,)))
    return rows


def writing(form: str, sparsity: str, tiny: bool, folder: Path) -> Work:
    """Return the work of writing the weights in one format."""
    write, _ = FORMATS[form]
    state = network(sparsity, tiny).state_dict()
    return Work(partial(write, state, folder / f"{form} written"))


def reading(form: str, sparsity: str, tiny: bool, folder: Path) -> Work:
    """Return the work of reading the weights in one format into a network."""
    path = folder / f"{form} read"
    write, read = FORMATS[form]
    model = network(sparsity, tiny)
    write(model.state_dict(), path)
    return Work(lambda: model.load_state_dict(read(path)))
