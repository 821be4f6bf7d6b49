"""A training beside others, as far as their meters see it; in a process of its own."""

import multiprocessing
import multiprocessing.synchronize
from pathlib import Path

from fggp.training.energy.sharing import Neighbours


def hold_a_place(folder: Path, began: multiprocessing.synchronize.Event) -> None:
    held = Neighbours(folder)
    began.set()
    multiprocessing.Event().wait(60)
    del held
