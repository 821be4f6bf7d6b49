"""The device's part of a training step, recorded once as a CUDA graph and then replayed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Work = Callable[[Tensor, Tensor], None]
Again = Callable[[], None]
Record = Callable[[Again], Again]

WARM = 2
"""Plain steps before the first recording, in which libraries set themselves up."""
SWITCH = "FGGP_GRAPHS"


def recorder(device: torch.device) -> Record | None:
    """Return what records on a device, None where nothing can or ``FGGP_GRAPHS=no`` forbids it."""
    if device.type != "cuda" or os.environ.get(SWITCH, "").lower() in {"no", "0", "false"}:
        return None
    return cuda_graph


def cuda_graph(work: Again) -> Again:
    """Record what ``work`` launches, without running it; returns what launches it at once."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.current_stream()
    try:
        with torch.cuda.graph(graph):
            work()
    finally:  # older versions stay on the stream of a recording that failed
        torch.cuda.set_stream(stream)
    return graph.replay


@dataclass(frozen=True)
class _Recording:
    inputs: tuple[Tensor, Tensor]
    gradients: list[Tensor | None]
    again: Again

    def run(self, x: Tensor, y: Tensor, parameters: Sequence[Tensor]) -> None:
        for own, new in zip(self.inputs, (x, y), strict=True):
            own.copy_(new)
        self.again()
        for parameter, gradient in zip(parameters, self.gradients, strict=True):
            if gradient is not None:  # the same memory at each replay
                parameter.grad = gradient


class Replay:
    """Does a step's work: plainly at first, then from a recording for each shape of a batch.

    A step launches hundreds of kernels, and for small images a GPU is done with them sooner than
    the host has launched them. A recording has the same kernels, so the same bits: each is compared
    with a plain step on the spot, once. Where it differs, or where nothing can be recorded,
    training goes on with plain steps and says so.

    Args:
        work: takes a batch; forward and backward pass, optimizer, masks. It leaves gradients.
        parameters: whose gradients these are.
        changed: returns the tensors that ``work`` changes in place.
        read: returns the tensors that it only reads, and that others change in place.
        constants: returns the numbers that it reads on the host, such as the learning rate.
        record: makes a recording, see `cuda_graph`; None never records.

    Attributes:
        replayed: how many steps came from a recording.

    """

    def __init__(
        self,
        work: Work,
        parameters: Sequence[Tensor],
        *,
        changed: Callable[[], list[Tensor]],
        read: Callable[[], list[Tensor]],
        constants: Callable[[], list[float]],
        record: Record | None,
    ) -> None:
        self._work, self._parameters = work, list(parameters)
        self._changed, self._read, self._constants = changed, read, constants
        self._record = record
        self._plain = self.replayed = 0
        self._recordings: dict[torch.Size, _Recording] = {}
        self._made_of: list[float] = []

    def __call__(self, x: Tensor, y: Tensor) -> None:
        """Do the work of one batch (B, …) with targets (B,); gradients are there afterwards."""
        recording = self._recordings.get(x.shape)
        if recording is not None:
            recording.run(x, y, self._parameters)
            self.replayed += 1
        elif self._record is None or self._plain < WARM:
            self._work(x, y)
            self._plain += 1
        else:
            self._try(x, y, self._record)

    def check(self) -> None:
        """Forget the recordings where what they were made of is no longer there.

        To be called after everything that may put a tensor or a number in the place of another.
        """
        if self._recordings and self._origin() != self._made_of:
            self._recordings.clear()

    def _origin(self) -> list[float]:
        return [*_places(self._changed()), *_places(self._read()), *self._constants()]

    def _try(self, x: Tensor, y: Tensor, record: Record) -> None:
        """Do the work plainly and from a recording, and keep that where they agree to the bit."""
        own = self._changed()
        before = _copies(own)
        self._work(x, y)
        if _places(self._changed()) != _places(own):
            return  # an optimizer made its buffers, as at the first step and after a rewinding
        after, gradients = _copies(own), self._gradients()
        _put(own, before)
        try:
            recording = self._made(x, y, record)
            recording.run(x, y, self._parameters)
            right = _same(own, after) and _same(self._gradients(), gradients)
            trouble = None if right else "a recorded step differs from a plain one"
        except RuntimeError as error:  # whatever CUDA cannot record, or has no memory for
            trouble = str(error).partition("\n")[0]
        if trouble is None:
            self._recordings[x.shape], self._made_of = recording, self._origin()
            return
        self._record = None
        self._recordings.clear()
        _put(own, after)
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        print(f"fggp: no CUDA graph is used ({trouble}); training is slower", file=sys.stderr)

    def _made(self, x: Tensor, y: Tensor, record: Record) -> _Recording:
        inputs = x.clone(), y.clone()
        for parameter in self._parameters:
            parameter.grad = None  # so that gradients get memory that belongs to the recording
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
    """Whether tensors agree to the bit; a NaN equals itself, zeros of two signs differ."""
    return all(
        (a is None and b is None)
        or (a is not None and b is not None and torch.equal(_bits(a), _bits(b)))
        for a, b in zip(some, others, strict=True)
    )


def _bits(tensor: Tensor) -> Tensor:
    wide = {torch.float32: torch.int32, torch.bfloat16: torch.int16, torch.float16: torch.int16}
    return tensor.detach().view(wide.get(tensor.dtype, tensor.dtype))
