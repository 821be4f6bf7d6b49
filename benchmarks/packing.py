"""What a sparse VGG-19 costs: size and time of its file, time of a forward pass.

Run it on an idle machine: ``python benchmarks/packing.py``. Times are medians: to write the file,
to read it (copying it into a model comes on top), and to classify one image with one thread. The
model has new weights and a random ERK mask, which leaves -0.0 for half of the pruned weights as
training does.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

import fggp
from fggp.models import build

FORMATS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "torch.save": (torch.save, partial(torch.load, weights_only=True)),
    "fggp.pack": (fggp.pack, fggp.unpack),
    "fggp.pack, positive zeros": (partial(fggp.pack, positive_zeros=True), fggp.unpack),
}


def milliseconds(action: Callable[[], Any], repeats: int) -> float:
    """Return the median time of ``action``."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - began))
    return median(times)


def vgg19(sparsity: str) -> nn.Module:
    """Return a full-width VGG-19 for ten classes, masked at random; "0" leaves it dense."""
    torch.manual_seed(0)
    model = build("vgg19").eval()
    if sparsity != "0":
        method = fggp.method("random", sparsity=sparsity, steps=2)
        fggp.Pruner(model, torch.optim.SGD(model.parameters(), lr=0.1), method)
    return model


def files(sparsity: str, path: Path) -> None:
    """Print a line for every format, as written to ``path``."""
    state, dense = vgg19(sparsity).state_dict(), 0.0
    for name, (write, read) in FORMATS.items():
        written = milliseconds(partial(write, state, path), 7)
        readable = milliseconds(partial(read, path), 7)
        size = path.stat().st_size / 1e6
        dense = dense or size
        numbers = f"{size:>8.2f}{dense / size:>9.1f}x{written:>10.0f}{readable:>10.0f}"
        print(f"{sparsity:<10}{name:<28}{numbers}")


def main() -> None:
    """Print two tables."""
    print(f"{'sparsity':<10}{'file':<28}{'MB':>8}{'smaller':>10}{'write ms':>10}{'read ms':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for sparsity in ("0", "0.9", "0.95", "0.98"):
            files(sparsity, Path(folder) / "file")
    print(f"\n{'sparsity':<10}forward pass of one image, ms")
    torch.set_num_threads(1)
    image = torch.randn(1, 3, 32, 32)
    with torch.inference_mode():
        for sparsity in ("0", "0.98"):
            print(f"{sparsity:<10}{milliseconds(partial(vgg19(sparsity), image), 51):.1f}")
    print(f"\nload of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
