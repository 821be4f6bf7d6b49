"""The official code of GraNet, from your own copy, changed only to run on a CPU.

It is not part of this repository: clone it and give its path with ``--granet``. Each run copies
its folder CIFAR, without ``.cuda()`` and ``torch.device("cuda")``.
"""

from __future__ import annotations

import shutil
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from suite.work import LeftOut

CUDA = {".cuda()": "", 'torch.device("cuda")': 'torch.device("cpu")'}


def for_cpu(path: Path, folder: Path) -> Path:
    """Copy the CIFAR code below ``path`` into ``folder``, adapted to a CPU; return the copy.

    Raises SystemExit if it is missing.
    """
    source = path if path.name == "CIFAR" else path / "CIFAR"
    if not (source / "sparselearning" / "core.py").is_file():
        raise SystemExit(f"--granet: {source} does not hold sparselearning/core.py; clone GraNet")
    copy = folder / "granet"
    shutil.copytree(source, copy)
    for file in copy.rglob("*.py"):
        text = file.read_text()
        for old, new in CUDA.items():
            text = text.replace(old, new)
        file.write_text(text)
    return copy


def found(path: Path | None) -> None:
    """Put the copy on the import path; raise LeftOut if there is none."""
    if path is None:
        raise LeftOut("no --granet PATH")
    sys.path.insert(0, str(path))


class Loader(list[Any]):
    """A list of None with the length of an epoch: its masking needs only the length of a loader."""


def masking(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    every: int,
    init_density: float = 1.0,
    drop: float = 0.5,
) -> Any:
    """Return its pruner with the method GraNet, in the middle of a long training.

    Args:
        model: the network.
        optimizer: the optimizer of the network.
        every: steps between two updates.
        init_density: density of its initial ERK mask, and of the first pruning.
        drop: share of the weights that an exchange drops.

    """
    from sparselearning.core import CosineDecay, Masking, add_sparse_args

    parser = ArgumentParser()
    add_sparse_args(parser)
    options: Namespace = parser.parse_args([])
    options.method, options.sparse_init, options.fix = "GraNet", "ERK", False
    options.update_frequency, options.multiplier = every, 1
    options.init_density, options.final_density = init_density, 0.01
    masks = Masking(
        optimizer,
        prune_rate=drop,
        death_mode="magnitude",
        growth_mode="gradient",
        redistribution_mode="none",
        prune_rate_decay=CosineDecay(drop, 10**6),
        args=options,
        train_loader=Loader([None] * 10**5),
    )
    masks.add_module(model, sparse_init="ERK")
    return masks
