"""Checkpoints: atomic, tied to one cell and numerics version, loaded without running code."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import torch

from fggp.cell import Cell
from fggp.results import NUMERICS, write_bytes

CONTENT = 3
"""What a checkpoint holds; raised by every change after which an older one cannot be continued."""


class Checkpoint:
    """The checkpoint file of one cell.

    Args:
        path: where it lies.
        cell: what it belongs to, the checksum of the data included.
        device: kind of device that trains; a checkpoint of another kind is not continued.

    """

    def __init__(self, path: Path, cell: Cell, device: str) -> None:
        self.path = path
        self.owner = f"content {CONTENT}, "
        self.owner += f"numerics {NUMERICS} on {device} with torch {torch.__version__}: "
        self.owner += cell.canonical()

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by ``state``; a kill at any moment leaves the old or the new one."""
        buffer = io.BytesIO()
        torch.save({"owner": self.owner, "state": state}, buffer)
        content = buffer.getvalue()
        write_bytes(self.path, hashlib.sha256(content).digest() + content)

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None where training starts afresh.

        A damaged or foreign file is set aside with a message.
        """
        if not self.path.exists():
            return None
        try:
            raw = self.path.read_bytes()
            if hashlib.sha256(raw[32:]).digest() != raw[:32]:
                raise EOFError  # torch itself checks no sums
            content = torch.load(io.BytesIO(raw[32:]), map_location="cpu", weights_only=True)
            if content["owner"] == self.owner:
                state: dict[str, Any] = content["state"]
                return state
            reason = "belongs to another cell, device or version"
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError, OSError):
            reason = "is damaged"
        aside = self.path.with_suffix(".rejected")
        os.replace(self.path, aside)
        print(f"{self.path} {reason}: kept as {aside.name}, training afresh", file=sys.stderr)
        return None

    def remove(self) -> None:
        """Delete the file once the result is written."""
        self.path.unlink(missing_ok=True)
