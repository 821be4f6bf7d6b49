"""The arithmetic of a training: precision, threads, and nothing left to chance."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from fggp.cell import Training


@contextmanager
def arithmetic(training: Training) -> Iterator[None]:
    """Set threads, determinism and the precision of fp32 operations; restore them at the end."""
    # cuBLAS is deterministic only with a fixed workspace, chosen before its first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.utils.deterministic.fill_uninitialized_memory,
    )
    tf32 = training.precision == "tf32"
    # Filling fresh memory guards against bugs that read it; it is not needed for equal bits.
    _set(training.threads, True, "high" if tf32 else "highest", tf32, False, False)
    try:
        yield
    finally:
        _set(*before)


def autocast(training: Training, device: torch.device) -> AbstractContextManager[object]:
    """Return the context of a forward pass."""
    if training.precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def _set(
    threads: int, deterministic: bool, matmul: str, tf32: bool, benchmark: bool, fill: bool
) -> None:
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = benchmark
    torch.utils.deterministic.fill_uninitialized_memory = fill
