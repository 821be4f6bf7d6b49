"""Writers of epochs: TensorBoard, Weights & Biases, or any SummaryWriter."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from fggp.foundation.errors import Failure
from fggp.foundation.user_variables import WRITERS
from fggp.study.cell import Cell

PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX"), "wandb": ("wandb",)}
"""The packages of which each writer needs one."""


class Writer(Protocol):
    """A writer of the numbers of epochs."""

    def write(self, values: Mapping[str, float], epoch: int) -> None:
        """Store the numbers of one epoch."""

    def close(self) -> None:
        """Close the writer."""


@dataclass(frozen=True)
class Place:
    """The cell and folder of a writer.

    Attributes:
        cell: cell that is trained.
        folder: folder for its files.
        run: unique name of the run; a resumed training keeps its name.
        first: first epoch to be written.

    """

    cell: Cell
    folder: Path
    run: str
    first: int


class Scalars:
    """A SummaryWriter: that of PyTorch, of tensorboardX, or anything with ``add_scalar``."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, values: Mapping[str, float], epoch: int) -> None:
        """Add the numbers as scalars, and flush them, so that a later kill loses none."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the writer."""
        self._writer.close()


class Wandb:
    """A run of Weights & Biases, in the project that ``WANDB_PROJECT`` names, or else "fggp"."""

    def __init__(self, place: Place) -> None:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "fggp"),
            name=place.cell.id,
            group=place.cell.label,
            id=place.run,
            resume="allow",
            dir=str(place.folder),
            config=place.cell.plain(),
            settings=wandb.Settings(console="off"),
        )

    def write(self, values: Mapping[str, float], epoch: int) -> None:
        """Log the numbers at the epoch as the step."""
        self._run.log(dict(values), step=epoch)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def named(text: str) -> list[str]:
    """Return the names of writers in a text.

    Raises:
        Failure: for an unknown writer, or if its package is not installed.

    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        opener(name)
    return list(dict.fromkeys(names))


def opener(name: str) -> Callable[[Place], Writer]:
    """Return the function that opens a writer by name; raises Failure as `named` does."""
    packages = PACKAGES.get(name, ())
    if packages and not any(find_spec(package) for package in packages):
        raise Failure(
            f"{WRITERS}: {name} needs the package {packages[0]}: pip install {packages[0]}"
        )
    if name == "tensorboard":
        return _tensorboard
    if name == "wandb":
        return Wandb
    module, colon, function = name.partition(":")
    if not colon:
        raise Failure(
            f"{WRITERS}: {name!r} is not a writer; use tensorboard, wandb or module:function"
        )
    if os.getcwd() not in sys.path:  # as `python -m` has it and the script has not
        sys.path.append(os.getcwd())
    try:
        make = getattr(import_module(module), function)
    except Exception as error:  # any error of a foreign module
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Failure(f"{WRITERS}: {name} cannot be imported ({reason})") from None
    return lambda place: Scalars(make(str(place.folder)))


def _tensorboard(place: Place) -> Writer:
    # Hides events from the first epoch on that a killed process wrote but did not record.
    first = place.first if place.first > 1 else None
    if find_spec("tensorboard"):
        from torch.utils.tensorboard import SummaryWriter

        return Scalars(SummaryWriter(str(place.folder), purge_step=first))
    import tensorboardX

    return Scalars(tensorboardX.SummaryWriter(str(place.folder), purge_step=first))
