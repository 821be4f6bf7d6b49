"""A network compiled for one size of image, with its working memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fggp.fast import machine_code
from fggp.fast.processor import Processor
from fggp.fast.program import ALIGNMENT, write
from fggp.fast.schedule import Schedule
from fggp.fast.steps import Network

Memory = NDArray[np.uint8]


class Plan:
    """Machine code for images of one shape; any number of threads may call it.

    Args:
        processor: target processor.
        network: as captured.
        image: the shape of one image.
        group: images that go through the last layers together; 1 computes each by itself.

    """

    def __init__(
        self, processor: Processor, network: Network, image: tuple[int, ...], group: int = 1
    ) -> None:
        schedule = Schedule(processor, network, image, group)
        program = write(schedule)
        self.group = schedule.images
        self.logits = schedule.output.seen
        self._code = machine_code.load(program, processor)
        self._arrays = _aligned(len(program.arrays))
        self._arrays[:] = np.frombuffer(program.arrays, np.uint8)
        self._bytes = 4 * program.floats
        self._idle: list[Memory] = []

    def run(self, images: Tensor, logits: Tensor) -> None:
        """Compute the logits of images, which are contiguous and a multiple of the group."""
        with self._memory() as memory:
            self._code.forward(
                images.data_ptr(), logits.data_ptr(), memory.ctypes.data, self._arrays.ctypes.data,
                len(images) // self.group,
            )  # fmt: skip

    def empty(self, images: int) -> Tensor:
        """Return an empty tensor for the logits of a number of images."""
        # As the code writes it, whatever the default type and device of torch are.
        return torch.empty(images, *self.logits, dtype=torch.float32, device="cpu")

    @contextmanager
    def _memory(self) -> Iterator[Memory]:
        """Provide memory that no other call uses."""
        try:
            memory = self._idle.pop()
        except IndexError:
            memory = _aligned(self._bytes)
        yield memory
        self._idle.append(memory)


def _aligned(size: int) -> Memory:
    """Return zeros that begin at a cache line."""
    whole = np.zeros(size + ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT
    return whole[start : start + size]
