"""Trainings of seconds: digits, a network of a few channels, epochs of three steps."""

from typing import Any

from fggp.methods import METHODS
from fggp.study.cell import Cell

BACKBONE = {"name": "vgg19", "width": "1/32"}
DATA = {"name": "digits", "validation": 147, "train": 90}


def cell(
    method: str = "fggp",
    *,
    sparsity: float | str = 0.8,
    start: float = 0,
    seed: int = 1,
    settings: dict[str, Any] | None = None,
    every: int = 2,
    end: int = 2,
    **training: Any,
) -> Cell:
    """Return a cell of a method; one without sparsity or without a choice of starts has none.

    The network is pruned every ``every`` steps until the epoch ``end``.
    """
    starts = METHODS[method].starts
    return Cell(
        backbone=BACKBONE,
        data=DATA,
        label=method,
        method={"name": method, "settings": settings or {}},
        sparsity=0 if starts == "none" else sparsity,
        initial_sparsity={"none": 0, "one": None, "both": start}[starts],
        seed=seed,
        training={"epochs": 3, "batch_size": 32, "lr": 1, "pad": 1} | training,
        pruning={"update_every": every, "end_epoch": end},
    )


def by_the_authors(asked: Cell) -> Cell:
    """Return a cell with the keys of the authors' protocol (config/README.md)."""
    plain = asked.plain()
    plain["backbone"] |= {"initialization": "fan-in"}
    plain["data"] |= {"validation": 0}
    plain["training"] |= {"label_smoothing": 0.1, "pad_mode": "zero", "pad": 2}
    plain["pruning"] |= {"end_epoch": None, "end_share": 0.8, "dense": ["first"]}
    return Cell(**plain)


class Forgetful:
    """A store of checkpoints that keeps nothing."""

    def save(self, state: dict[str, Any]) -> None:
        pass

    def load(self) -> None:
        return None
