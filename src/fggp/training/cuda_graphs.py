"""Record the device's part of a training step once as a CUDA graph, and replay it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fggp.foundation.user_variables import GRAPHS, enabled

Work = Callable[[Tensor, Tensor], None]
Again = Callable[[], None]

WARM = 2
"""Plain steps before the first recording, in which libraries initialize."""


def recorder(device: torch.device) -> CudaGraphs | None:
    """Return the recorder for a device; None without one, or if ``FGGP_GRAPHS=no`` forbids it."""
    if not enabled(GRAPHS):
        return None
    # Any backend with the interface of torch.cuda records; the CPU has no graphs.
    return CudaGraphs(device) if hasattr(torch.get_device_module(device), "CUDAGraph") else None


class CudaGraphs:
    """Records work as CUDA graphs, which share one memory pool.

    They never run at the same time, so they may use the same memory. A replay may overwrite the
    gradients of later recordings, which are therefore read before the next replay, as after any
    step.

    Args:
        device: device on which the work runs; its module has the interface of `torch.cuda`.

    """

    def __init__(self, device: torch.device) -> None:
        self._cuda: Any = torch.get_device_module(device)
        self._graphs: list[Any] = []
        self._pool_bytes = 0

    def __call__(self, work: Again) -> Again:
        """Record the kernels that ``work`` launches, without running them; return their replay.

        Raises RuntimeError if they cannot be recorded, such as torch.OutOfMemoryError.
        """
        cuda = self._cuda
        graph, stream = cuda.CUDAGraph(), cuda.current_stream()
        cuda.empty_cache()  # so that only the pool grows
        before = cuda.memory_reserved()
        try:
            with cuda.graph(graph, pool=self._graphs[0].pool() if self._graphs else None):
                work()
        finally:  # older versions stay on the stream of a failed recording
            cuda.set_stream(stream)
        self._graphs.append(graph)
        self._pool_bytes += max(0, cuda.memory_reserved() - before)
        again: Again = graph.replay
        return again

    @property
    def allocated(self) -> int:
        """The current size of all tensors on the device, in bytes."""
        return int(self._cuda.memory_allocated())

    def shortage(self, allocated: int) -> str | None:
        """Return why there is too little memory for a recording; None if there is enough.

        A recording keeps the peak memory of a plain step. As much has to stay free in addition,
        for evaluations and for plain steps.

        Args:
            allocated: `allocated` before a plain step of the same work, which was just made.

        """
        cuda = self._cuda
        step = cuda.max_memory_allocated() - allocated
        needed = max(0, step - self._pool_bytes) + step
        cached = cuda.memory_reserved() - self._pool_bytes - cuda.memory_allocated()
        free = cuda.mem_get_info()[0] + max(0, cached)
        if needed <= free:
            return None
        return f"it needs {needed / 2**30:.1f} GiB of memory, but {free / 2**30:.1f} are free"

    def forget(self) -> None:
        """Free the memory of all recordings, once nothing refers to their replays."""
        self._graphs.clear()
        self._pool_bytes = 0
        self._cuda.empty_cache()


@dataclass(frozen=True)
class _Recording:
    inputs: tuple[Tensor, Tensor]
    gradients: list[Tensor | None]
    again: Again

    def run(self, x: Tensor, y: Tensor) -> None:
        for own, new in zip(self.inputs, (x, y), strict=True):
            own.copy_(new)
        self.again()


class Replay:
    """Does the work of a step: plainly at first, then from a recording for each batch shape.

    A step launches hundreds of kernels, and for small images a GPU finishes them faster than the
    host can launch them. A recording has the same kernels and thus the same bits: each is compared
    once with a plain step when it is made. If it differs, or if nothing can be recorded, training
    continues with plain steps and reports that.

    A replay writes its gradients to the same memory each time, and they stay in ``.grad``.

    Args:
        work: function of a batch: forward and backward pass, optimizer, masks. It leaves gradients.
        parameters: parameters of these gradients.
        changed: returns the tensors that ``work`` changes in place.
        read: returns the tensors that it only reads, and that others change in place.
        constants: returns the numbers that it reads on the host, such as the learning rate.
        record: recorder; None never records.

    Attributes:
        replayed: number of steps that came from a recording.

    """

    def __init__(
        self,
        work: Work,
        parameters: Sequence[Tensor],
        *,
        changed: Callable[[], list[Tensor]],
        read: Callable[[], list[Tensor]],
        constants: Callable[[], list[float]],
        record: CudaGraphs | None,
    ) -> None:
        self._work, self._parameters = work, list(parameters)
        self._changed, self._read, self._constants = changed, read, constants
        self._record = record
        self._plain = self.replayed = 0
        self._recordings: dict[torch.Size, _Recording] = {}
        self._attached: _Recording | None = None
        self._made_of: list[float] = []

    def __call__(self, x: Tensor, y: Tensor) -> None:
        """Do the work of one batch (B, …) with targets (B,), and leave its gradients."""
        recording = self._recordings.get(x.shape)
        if recording is not None:
            self._attach(recording)
            recording.run(x, y)
            self.replayed += 1
            return
        self.detach()
        if self._record is None or self._plain < WARM:
            self._work(x, y)
            self._plain += 1
        else:
            self._try(x, y, self._record)

    def release(self) -> None:
        """Free the gradients of a plain step; those of a recording stay for its next replay."""
        if self._attached is None:
            self._put_gradients(None)

    def detach(self) -> None:
        """Detach the gradients of a recording, to which a plain backward pass would add."""
        if self._attached is not None:
            self._put_gradients(None)

    def check(self) -> None:
        """Forget the recordings if the tensors or numbers that they were made of have changed.

        To be called after everything that may replace a tensor or a number by another.
        """
        if self._recordings and self._origin() != self._made_of:
            self._forget()

    def _forget(self) -> None:
        self.detach()
        self._recordings.clear()
        if self._record is not None:
            self._record.forget()

    def _attach(self, recording: _Recording) -> None:
        if self._attached is not recording:
            self._put_gradients(recording.gradients)
            self._attached = recording

    def _put_gradients(self, gradients: Sequence[Tensor | None] | None) -> None:
        self._attached = None
        for number, parameter in enumerate(self._parameters):
            parameter.grad = None if gradients is None else gradients[number]

    def _origin(self) -> list[float]:
        return [*_places(self._changed()), *_places(self._read()), *self._constants()]

    def _try(self, x: Tensor, y: Tensor, record: CudaGraphs) -> None:
        """Do the work plainly and from a recording, and keep the recording if the bits agree."""
        own = self._changed()
        before = _copies(own)
        allocated = record.allocated
        self._work(x, y)
        if _places(self._changed()) != _places(own):
            return  # an optimizer made its buffers, as at the first step and after rewinding
        if (trouble := record.shortage(allocated)) is None:
            after, gradients = _copies(own), self._gradients()
            _put(own, before)
            trouble = self._tried(x, y, record, after, gradients)
            if trouble is not None:
                _put(own, after)
                self._put_gradients(gradients)
        if trouble is not None:
            self._recordings.clear()
            record.forget()
            self._record = None
            print(f"fggp: no CUDA graph is used ({trouble}); training is slower", file=sys.stderr)

    def _tried(
        self,
        x: Tensor,
        y: Tensor,
        record: CudaGraphs,
        after: Sequence[Tensor],
        gradients: Sequence[Tensor | None],
    ) -> str | None:
        """Keep a recording that leaves ``after`` and ``gradients``; return why there is none."""
        try:
            recording = self._made(x, y, record)
            self._attach(recording)
            recording.run(x, y)
        except RuntimeError as error:  # work that CUDA cannot record, or has no memory for
            return str(error).partition("\n")[0]
        if not _same([*self._changed(), *self._gradients()], [*after, *gradients]):
            return "a recorded step differs from a plain one"
        self._recordings[x.shape], self._made_of = recording, self._origin()
        return None

    def _made(self, x: Tensor, y: Tensor, record: CudaGraphs) -> _Recording:
        inputs = x.clone(), y.clone()
        self._put_gradients(None)  # so that they get memory that belongs to the recording
        again = record(lambda: self._work(*inputs))
        return _Recording(inputs, self._gradients(), again)

    def _gradients(self) -> list[Tensor | None]:
        return [parameter.grad for parameter in self._parameters]


def _places(tensors: Sequence[Tensor]) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


@torch.no_grad()
def _put(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


def _same(some: Sequence[Tensor | None], others: Sequence[Tensor | None]) -> bool:
    """Whether tensors agree to the bit; a NaN equals itself, and 0.0 differs from -0.0."""
    pairs = [*zip(some, others, strict=True)]
    if any((a is None) != (b is None) for a, b in pairs):
        return False
    there = [(a, b) for a, b in pairs if a is not None and b is not None]
    # One answer for all, because each makes the host wait.
    return bool(torch.stack([(_bits(a) == _bits(b)).all() for a, b in there]).all())


def _bits(tensor: Tensor) -> Tensor:
    wide = {torch.float32: torch.int32, torch.bfloat16: torch.int16, torch.float16: torch.int16}
    return tensor.detach().view(wide.get(tensor.dtype, tensor.dtype))
