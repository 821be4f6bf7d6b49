"""The memory of the stand-in GPU: allocations, pools of recordings, and a limit."""

from __future__ import annotations

from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import torch

Pool = tuple[int, int]
"""As `torch.cuda.CUDAGraph.pool` returns it."""


class Block:
    """The memory behind one tensor and all views of it; it is free once nobody holds it."""

    def __init__(self, memory: Memory, size: int, pool: Pool | None) -> None:
        self._memory, self.size, self.pool = memory, size, pool

    def __del__(self) -> None:
        self._memory.free(self)


class Memory:
    """Counts bytes as an allocator does that keeps nothing but the pools of recordings.

    A pool takes as much as was ever in use in it at once. It is given back by `empty` once no
    recording uses it.

    Attributes:
        limit: bytes there are.
        pool_limit: bytes that a pool can have of them, as if the free memory were fragmented.
        peak: the most bytes of tensors at any time.
        pools: bytes that each pool takes.
        users: how many recordings there are, by pool.
        recordings: those that there are, in the order in which they were made.

    """

    def __init__(self) -> None:
        self.limit = self.pool_limit = 1 << 34
        self.peak = 0
        self.pools: dict[Pool, int] = {}
        self.users: dict[Pool, int] = {}
        self.recordings: WeakKeyDictionary[Any, None] = WeakKeyDictionary()
        self._allocated: dict[Pool | None, int] = {None: 0}
        self._names = count(1)

    @property
    def allocated(self) -> int:
        """Bytes of all tensors."""
        return sum(self._allocated.values())

    @property
    def reserved(self) -> int:
        """Bytes that are not free: tensors outside of pools, and pools."""
        return self._allocated[None] + sum(self.pools.values())

    def allocate(self, size: int, pool: Pool | None) -> Block:
        """Return a block; raises torch.OutOfMemoryError beyond the limit."""
        inside = self._allocated.get(pool, 0) + size
        grown = size if pool is None else max(0, inside - self.pools[pool])
        full = pool is not None and self.pools[pool] + grown > self.pool_limit
        if full or self.reserved + grown > self.limit:
            raise torch.OutOfMemoryError(f"the stand-in GPU is out of memory: {size} bytes more")
        if pool is not None:
            self.pools[pool] += grown
        self._allocated[pool] = inside
        self.peak = max(self.peak, self.allocated)
        return Block(self, size, pool)

    def free(self, block: Block) -> None:
        """Take a block back; called when it is gone."""
        self._allocated[block.pool] -= block.size

    def open(self, pool: Pool | None) -> Pool:
        """Return a pool that one more recording uses, a new one for None."""
        if pool is None:
            pool = (0, next(self._names))
            self.pools[pool] = self.users[pool] = self._allocated[pool] = 0
        assert self.users[pool] > 0 or not self.pools[pool], "this pool was given up"
        self.users[pool] += 1
        return pool

    def close(self, pool: Pool) -> None:
        """Note that a recording no longer uses a pool."""
        self.users[pool] -= 1

    def empty(self) -> None:
        """Give back the pools that no recording uses, once their tensors are gone."""
        for pool in [*self.pools]:
            if not self.users[pool] and not self._allocated[pool]:
                del self.pools[pool]
