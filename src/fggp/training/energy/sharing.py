"""How many trainings of ours use one device just now, known from locks in a folder."""

from __future__ import annotations

import fcntl
import os
import tempfile
import weakref
from pathlib import Path


class Neighbours:
    """The trainings that use one device; this one counts as long as the object is there.

    Args:
        folder: belongs to the device; made where it is not there.

    Raises:
        OSError: where the folder cannot be used.

    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder = folder
        while True:
            handle, name = tempfile.mkstemp(dir=folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.exists(name):  # else another took it for a forgotten one before the lock
                break
            os.close(handle)
        self._path = Path(name)
        weakref.finalize(self, _leave, handle, self._path)

    def count(self) -> int:
        """Return how many there are, this one included; forgets those that ended."""
        others = [path for path in self.folder.iterdir() if path != self._path]
        return 1 + sum(_held(path) for path in others)


def folder_of(device: str) -> Path:
    """Return the folder of a device, by its identity; each user has others."""
    return Path(tempfile.gettempdir()) / f"fggp-{os.getuid()}" / device


def _leave(handle: int, path: Path) -> None:
    path.unlink(missing_ok=True)
    os.close(handle)


def _held(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False
