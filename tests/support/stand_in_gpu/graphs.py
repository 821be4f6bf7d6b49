"""Recordings of launches, and their replay, with the interface of `torch.cuda`."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from stand_in_gpu.device import HERE
from stand_in_gpu.memory import Block, Memory, Pool
from stand_in_gpu.operations import memory_of, tensors_in


class Freed(AssertionError):
    """A recording is replayed that reads or writes memory which is free by now."""


class Launch(NamedTuple):
    """One operation on fixed memory, and where its results go, by their place among them."""

    operation: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    results: list[tuple[int, Tensor]]


class Recording:
    """The operations between the beginning and the end of a recording.

    They are run once, for the shapes of their results. At the end all memory is again as it was at
    the beginning, and what belongs to the recording holds no numbers until it is replayed.

    Args:
        pool: where its memory is allocated.

    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self._launches: list[Launch] = []
        self._own: dict[int, Tensor] = {}
        self._before: dict[int, tuple[Tensor, Tensor]] = {}
        self._outside: dict[int, weakref.ref[Block]] = {}

    def before(self, written: Sequence[Tensor], given: Sequence[tuple[Tensor, Block]]) -> None:
        """Follow an operation before it runs: what it writes into, and all that it is given."""
        for tensor, block in given:
            if memory_of(tensor) not in self._own:
                self._outside[id(block)] = weakref.ref(block)
        for tensor in written:
            if memory_of(tensor) not in self._own.keys() | self._before.keys():
                whole = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage())
                self._before[memory_of(tensor)] = whole, whole.clone()

    def allocated(self, tensors: Sequence[Tensor]) -> None:
        """Follow new memory."""
        self._own |= {memory_of(tensor): tensor for tensor in tensors}

    def launched(self, launch: Launch) -> None:
        """Keep an operation that was run."""
        self._launches.append(launch)

    def end(self) -> None:
        """Restore everything outside, and make the memory inside useless."""
        for whole, copy in self._before.values():
            whole.copy_(copy)
        self._before.clear()
        self.spoil()

    @torch.no_grad()
    def spoil(self) -> None:
        """Make the numbers in its own memory useless."""
        for tensor in self._own.values():
            if tensor.is_floating_point():
                tensor.fill_(torch.nan)

    @torch.no_grad()
    def replay(self) -> None:
        """Run the operations again on the same memory; raises `Freed` where that is gone."""
        if any(block() is None for block in self._outside.values()):
            raise Freed("a recording works on memory that has been freed")
        for operation, args, kwargs, results in self._launches:
            new = [*tensors_in(operation(*args, **kwargs))]
            for place, tensor in results:
                tensor.copy_(new[place])


class Graph:
    """As `torch.cuda.CUDAGraph`: empty at first, filled by `recording_into`."""

    def __init__(self) -> None:
        self._memory: Memory = HERE.memory
        self._recording: Recording | None = None

    def replay(self) -> None:
        """Launch the recorded operations.

        Later recordings in the same pool may have results where this one computes.
        """
        assert self._recording is not None, "nothing was recorded"
        HERE.replays += 1
        made = [*self._memory.recordings]
        for later in made[made.index(self._recording) + 1 :]:
            if later.pool == self._recording.pool:
                later.spoil()
        self._recording.replay()

    def pool(self) -> Pool:
        """Return the pool of its memory, in which another recording may be made."""
        assert self._recording is not None, "nothing was recorded"
        return self._recording.pool

    def begin(self, pool: Pool | None) -> Recording:
        """Return what follows the operations from now on."""
        self._recording = Recording(self._memory.open(pool))
        self._memory.recordings[self._recording] = None
        return self._recording

    def __del__(self) -> None:
        if self._recording is not None:
            self._memory.close(self._recording.pool)


class recording_into:
    """As `torch.cuda.graph`: record the launches inside the context into a graph."""

    def __init__(self, graph: Graph, pool: Pool | None = None) -> None:
        self._graph, self._pool = graph, pool

    def __enter__(self) -> None:
        assert HERE.recording is None, "recordings are not nested"
        HERE.memory.empty()
        HERE.recording = self._graph.begin(self._pool)
        HERE.recordings += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        recording, HERE.recording = HERE.recording, None
        assert recording is not None
        recording.end()
