"""The stand-in GPU: its stream, its waits and its failures."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch

from stand_in_gpu.memory import Memory

if TYPE_CHECKING:
    from stand_in_gpu.graphs import Recording


NAME = "stand_in"


class GPU:
    """The state of the device since it was last reset.

    Attributes:
        memory: its memory.
        kernels: operations that were launched, by name; views and allocations launch nothing, and
            what a recording launches is not counted.
        waits: operations that the host waited for, by name.
        uploads: operations that copied from the host, by name.
        recordings: how many were made.
        replays: how often one was launched.
        recording: the one that is being made now.

    """

    def __init__(self) -> None:
        self.reset()

    @property
    def device(self) -> torch.device:
        """Return the device of tensors; there is only one."""
        return torch.device(NAME, 0)

    def reset(self) -> None:
        """Begin again with empty memory and nothing counted."""
        self.memory = Memory()
        self.kernels: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()
        self.recordings = self.replays = 0
        self.recording: Recording | None = None


HERE = GPU()
"""The one device."""
