"""The speed of a training: images per second, and the share of its device's peak."""

from __future__ import annotations

import time
from typing import Any

import torch

from fggp.study.cell import Cell, Training
from fggp.study.outcome import MOST_SHARE, Outcome
from fggp.study.protocol import recipe_of
from fggp.training.torch_settings import arithmetic

SIDE = {"cpu": 384, "cuda": 8192}
"""Rows and columns of the matrices; on a CPU, this number of rows for each thread.

Small enough there that a product ends before the system gives the core to another process.
"""
SECONDS = 0.2


def speed(cell: Cell, outcome: Outcome, seconds: float, device: torch.device) -> dict[str, Any]:
    """Return the speed of a finished training; measures its device, which takes `SECONDS`.

    Args:
        cell: cell that was trained.
        outcome: outcome of the training.
        seconds: total time, including evaluations.
        device: device that trained it.

    Returns:
        ``images_per_second`` of training, ``peak_gflops`` that a matrix product reaches now in the
        same precision and threads, and ``share_of_peak``, the FLOP done divided by the seconds and
        that peak. The last two are None if the product is not informative.

    """
    images = outcome.images.train * len(outcome.epochs)
    gflops = peak_gflops(cell.training, device)
    share = None if not gflops else flop(cell, outcome) / seconds / (gflops * 1e9)
    sound = share is not None and share <= MOST_SHARE
    return {
        "images_per_second": round(images / seconds, 3),
        "peak_gflops": round(gflops, 3) if sound and gflops else None,
        "share_of_peak": round(share, 6) if sound and share is not None else None,
    }


def flop(cell: Cell, outcome: Outcome) -> int:
    """Return the FLOP that dense kernels did in a training, two per multiply-accumulate.

    Zeros are multiplied as well. The forward pass and both gradients are counted for each training
    image, and the forward pass for each evaluated image. The rest of a step is left out.
    """
    images, epochs = outcome.images, len(outcome.epochs)
    # A narrow network has no masks, and `dense_macs` is that of the network it is compared with.
    each = outcome.inference_macs if recipe_of(cell).narrow else outcome.dense_macs
    evaluated = epochs * (images.validation + images.test) + images.test
    return int(2 * (each or 0) * (3 * epochs * images.train + evaluated))


def peak_gflops(training: Training, device: torch.device) -> float | None:
    """Return the GFLOP/s of a matrix product, the best of several; None if it cannot be made."""
    try:
        with arithmetic(training):
            return _best(training, device)
    except (RuntimeError, MemoryError):  # a full device is no reason to lose a training
        return None


def _best(training: Training, device: torch.device) -> float:
    side = SIDE[device.type]
    rows = side * training.threads if device.type == "cpu" else side
    dtype = torch.bfloat16 if training.precision == "bf16" else torch.float32
    own = torch.Generator(device).manual_seed(0)  # no other random state is touched
    a, b = (torch.rand(n, side, generator=own, device=device).to(dtype) for n in (rows, side))
    end = time.perf_counter() + SECONDS
    taken = [_product_seconds(a, b, device)]
    while len(taken) < 2 or time.perf_counter() < end:
        taken.append(_product_seconds(a, b, device))
    return 2 * rows * side * side / min(taken) / 1e9


def _product_seconds(a: torch.Tensor, b: torch.Tensor, device: torch.device) -> float:
    begin = time.perf_counter()
    a @ b
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begin
