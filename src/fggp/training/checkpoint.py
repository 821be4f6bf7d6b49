"""Checkpoints: atomic, tied to one cell and numerics version, loaded without running code."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
import time
from pathlib import Path
from typing import Any

import torch

from fggp.foundation.errors import Failure
from fggp.foundation.files import write_bytes
from fggp.study.cell import Cell
from fggp.study.result_file import NUMERICS
from fggp.training.energy.cpu import packages
from fggp.training.energy.gpu import current_board
from fggp.training.energy.meter import Meter, Reading
from fggp.training.gpu_use import peak_memory_mb
from fggp.training.train import Tick

CONTENT = 3
"""The version of a checkpoint's content; raise it if older checkpoints cannot be continued."""


class Checkpoint:
    """The checkpoint file of one cell.

    Args:
        path: path of the file.
        cell: cell that it belongs to, including the checksum of the data.
        device: kind of device that trains; a checkpoint of another kind is not continued.

    """

    def __init__(self, path: Path, cell: Cell, device: str) -> None:
        self.path = path
        self.owner = f"content {CONTENT}, "
        self.owner += f"numerics {NUMERICS} on {device} with torch {torch.__version__}: "
        self.owner += cell.canonical()

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by ``state``; a kill at any moment leaves the old or the new file."""
        buffer = io.BytesIO()
        torch.save({"owner": self.owner, "state": state}, buffer)
        content = buffer.getvalue()
        write_bytes(self.path, hashlib.sha256(content).digest() + content)

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None if training starts from the beginning.

        A damaged or foreign file is set aside with a message.

        Raises:
            Failure: if the system refuses to read the file.
            RuntimeError: if there is too little memory for it.

        """
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Failure(
                f"{self.path}: the checkpoint cannot be read ({error.strerror}); check its "
                "permissions and the disk, or delete it to train from the beginning"
            ) from None
        try:
            if hashlib.sha256(raw[32:]).digest() != raw[:32]:
                raise EOFError  # torch itself verifies no checksum
            content = torch.load(io.BytesIO(raw[32:]), map_location="cpu", weights_only=True)
            if content["owner"] == self.owner:
                state: dict[str, Any] = content["state"]
                return state
            reason = "belongs to another cell, device or version"
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
            if isinstance(error, RuntimeError) and "memory" in str(error):
                raise
            reason = "is damaged"
        aside = self.path.with_suffix(".rejected")
        os.replace(self.path, aside)
        print(
            f"{self.path} {reason}: kept as {aside.name}, training from the beginning",
            file=sys.stderr,
        )
        return None

    def remove(self) -> None:
        """Delete the file once the result is written."""
        self.path.unlink(missing_ok=True)


class Metered(Checkpoint):
    """A checkpoint that also stores the energy spent so far, if it is measured."""

    def __init__(self, path: Path, cell: Cell, device: str) -> None:
        super().__init__(path, cell, device)
        self.meter = Meter(packages() if device == "cpu" else current_board())

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by ``state`` and the energy."""
        spent = self.meter.read()
        super().save(state | {"energy": None if spent is None else [spent.joules, spent.shared]})

    def load(self) -> dict[str, Any] | None:
        """Return the saved state and add its energy; older checkpoints have none."""
        state = super().load()
        if state is not None:
            before = state.get("energy")
            self.meter.add(None if before is None else Reading(*before))
        return state

    def ticking(self, tick: Tick) -> Tick:
        """Return a ``tick`` that also reads the meter from time to time."""

        def both(done: int, steps: int) -> None:
            self.meter.read_when_due()
            tick(done, steps)

        return both


class Timed(Metered):
    """A checkpoint that also stores the seconds spent so far."""

    def __init__(self, path: Path, cell: Cell, device: str) -> None:
        super().__init__(path, cell, device)
        self.began, self.before = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """Seconds spent on the cell, in this process and in earlier ones."""
        return self.before + time.monotonic() - self.began

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by ``state`` and the seconds."""
        super().save(state | {"seconds": self.seconds})

    def load(self) -> dict[str, Any] | None:
        """Return the saved state and add its seconds."""
        state = super().load()
        self.before = state["seconds"] if state else 0.0
        return state


class Located(Timed):
    """A checkpoint that also stores which devices trained, and the GPU memory used.

    Args:
        path: path of the file.
        cell: cell that it belongs to, including the checksum of the data.
        device: kind of device that trains.
        name: name of the device that trains now.

    Attributes:
        devices: the names of all devices that trained, in order; a repeated one is listed once.

    """

    def __init__(self, path: Path, cell: Cell, device: str, name: str) -> None:
        super().__init__(path, cell, device)
        self.devices, self._kind = [name], device
        self._peak_before: int | None = None

    @property
    def peak_memory_mb(self) -> int | None:
        """The most memory (MiB) held on a GPU in any attempt; None if none was used."""
        known = [it for it in (self._peak_before, peak_memory_mb(self._kind)) if it is not None]
        return max(known, default=None)

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by ``state``, the names of devices and the GPU memory."""
        super().save(state | {"devices": self.devices, "gpu_peak_mb": self.peak_memory_mb})

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, and warn if another type of device wrote it.

        Older checkpoints without names count as written by this device.
        """
        state = super().load()
        if state is not None:
            name, before = self.devices[-1], list(state.get("devices", ()))
            self._peak_before = state.get("gpu_peak_mb")
            if before and before[-1] != name:
                print(
                    f"warning: {before[-1]} trained until here, and {name} continues; bits of "
                    "different types of devices differ, and the result names both",
                    file=sys.stderr,
                )
            self.devices = before if before[-1:] == [name] else [*before, name]
        return state
