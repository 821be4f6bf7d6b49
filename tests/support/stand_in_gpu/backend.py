"""The stand-in GPU as a backend of PyTorch: the one place that registers it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.utils import backend_registration

from stand_in_gpu.device import GPU, HERE, NAME
from stand_in_gpu.graphs import Graph, recording_into
from stand_in_gpu.launch import launch

ATEN = torch.ops.aten


class Module:
    """The module ``torch.stand_in``; the names are those of `torch.cuda`."""

    CUDAGraph, graph = Graph, recording_into
    available = False

    def is_available(self) -> bool:
        return self.available

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return int(self.available)

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed(self, seed: int) -> None:
        """Random numbers are those of the CPU, and seeded there."""

    manual_seed_all = manual_seed

    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)

    def device(self, device: Any) -> nullcontext[None]:
        return nullcontext()

    def current_stream(self, device: Any = None) -> int:
        return 0

    def set_stream(self, stream: int) -> None:
        assert stream == 0

    def synchronize(self, device: Any = None) -> None:
        HERE.waits["synchronize"] += 1

    def is_current_stream_capturing(self) -> bool:
        return HERE.recording is not None

    def memory_allocated(self) -> int:
        return HERE.memory.allocated

    def max_memory_allocated(self) -> int:
        return HERE.memory.peak

    def memory_reserved(self) -> int:
        return HERE.memory.reserved

    def mem_get_info(self) -> tuple[int, int]:
        return HERE.memory.limit - HERE.memory.reserved, HERE.memory.limit

    def empty_cache(self) -> None:
        HERE.memory.empty()


MODULE = Module()


class _Hook(torch._C._acc.PrivateUse1Hooks):
    def is_available(self) -> bool:
        return MODULE.available

    def is_built(self) -> bool:
        return True

    def has_primary_context(self, index: int) -> bool:
        return True


@cache
def _registered() -> torch.library.Library:
    """Register the backend, once in a process."""
    backend_registration._setup_privateuseone_for_python_backend(NAME, MODULE, _Hook())
    library = torch.library.Library("aten", "IMPL")
    library.impl("empty.memory_format", partial(_made_by, ATEN.empty.memory_format), "PrivateUse1")
    library.impl("empty_strided", partial(_made_by, ATEN.empty_strided.default), "PrivateUse1")
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    return library


def _made_by(operation: Any, *args: Any, **kwargs: Any) -> Any:
    """Make a tensor; no tensor is given that would lead to `launch`."""
    return launch(operation, args, {**kwargs, "device": HERE.device, "pin_memory": False})


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Tensor:
    """Copy as `torch.tensor` does, below what leads to `launch`."""
    launch(ATEN.copy_.default, (target, source), {})
    return target


@contextmanager
def stand_in_gpu() -> Iterator[GPU]:
    """Have the device in a context, empty at first; returns what happens on it.

    PyTorch keeps the backend as long as the process lives, but without a device outside of this.
    """
    _registered()
    HERE.reset()
    MODULE.available = True
    try:
        # PyTorch would look for the threads of a device that it had not seen when it began.
        with torch.autograd.set_multithreading_enabled(False):
            yield HERE
    finally:
        MODULE.available = False
