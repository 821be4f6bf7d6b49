"""The arithmetic of a training: precision, threads, determinism."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch

from fggp.study.cell import Training


@contextmanager
def arithmetic(training: Training) -> Iterator[None]:
    """Set threads, determinism and the precision of fp32 operations; restore them at the end."""
    # cuBLAS is deterministic only with a fixed workspace, chosen before its first call.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    tf32 = training.precision == "tf32"
    before = _Switches.now()
    _Switches(
        training.threads, True, False, "high" if tf32 else "highest", tf32, False, False
    ).set()
    try:
        yield
    finally:
        before.set()


def autocast(training: Training, device: torch.device) -> AbstractContextManager[object]:
    """Return the context of a forward pass."""
    if training.precision == "bf16":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


@dataclass(frozen=True)
class _Switches:
    """The global switches of torch that change bits."""

    threads: int
    deterministic: bool
    only_warn: bool
    matmul: str
    convolution_tf32: bool
    autotune: bool
    fill_memory: bool
    """Guards against bugs that read fresh memory; not needed for equal bits, and slow."""

    @classmethod
    def now(cls) -> _Switches:
        return cls(
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.allow_tf32,
            torch.backends.cudnn.benchmark,
            torch.utils.deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]
        )

    def set(self) -> None:
        torch.set_num_threads(self.threads)
        torch.use_deterministic_algorithms(self.deterministic, warn_only=self.only_warn)
        torch.set_float32_matmul_precision(self.matmul)
        torch.backends.cudnn.allow_tf32 = self.convolution_tf32
        torch.backends.cudnn.benchmark = self.autotune
        torch.utils.deterministic.fill_uninitialized_memory = self.fill_memory  # type: ignore[attr-defined]
