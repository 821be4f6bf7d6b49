"""Write the epochs of a training to TensorBoard and others, if the user asks for it.

``FGGP_WRITERS`` or ``--writers`` names the writers, separated by commas: ``tensorboard``,
``wandb``, or ``module:function`` for a function that makes a SummaryWriter from a folder. They are
not part of a cell and do not change its result. A resumed training continues after the last epoch
written.
"""

from __future__ import annotations

import json
import shutil
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fggp.foundation.files import write_text
from fggp.running.summary_writers import Place, Writer, opener
from fggp.study.cell import Cell
from fggp.study.study_folder import beside_runs

if TYPE_CHECKING:
    from fggp.training.step import Row, Sizes

RECORD = ".written.json"
"""The file with the state of a writer: the last epoch, and the name of the run."""


class EpochWriters:
    """The writers of one training.

    A failure of a writer is warned of once and removes it; the training is not affected.

    Args:
        names: names of the writers, as `named` returns them.
        cell: cell that is trained.
        out: result file of the cell; each writer has a folder ``results/STUDY/NAME/CELL``.

    """

    def __init__(self, names: Sequence[str], cell: Cell, out: Path) -> None:
        self._all = [_Guarded(name, cell, beside_runs(out, _folder_name(name))) for name in names]

    def write(self, row: Row, sizes: Sizes) -> None:
        """Write the record of an epoch."""
        values = numbers(row, sizes)
        for each in self._all:
            each.attempt(lambda it: it.write(values, row["epoch"]))

    def close(self) -> None:
        """Close all writers."""
        for each in self._all:
            each.attempt(_Recorded.close)


def numbers(row: Row, sizes: Sizes) -> dict[str, float]:
    """Return the numbers of an epoch by name, shares in percent; the loss only if it is finite."""
    values = {
        "loss/train": row["train_loss"],
        "accuracy/validation": _percent(row["validation_correct"], sizes.validation),
        "accuracy/test": _percent(row["test_correct"], sizes.test),
        "learning_rate": row["lr"],
        "sparsity": _percent(sizes.prunable - row["kept"], sizes.prunable),
        "kept_weights": row["kept"],
    }
    return {name: float(value) for name, value in values.items() if value is not None}


class _Guarded:
    """A writer whose errors become one warning."""

    def __init__(self, name: str, cell: Cell, folder: Path) -> None:
        self._name: str = name
        self._writer: _Recorded | None = _Recorded(opener(name), cell, folder)

    def attempt(self, action: Callable[[_Recorded], None]) -> None:
        if self._writer is None:
            return
        try:
            action(self._writer)
        except Exception as error:  # any error of a foreign package
            writer, self._writer = self._writer, None
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            warnings.warn(f"{self._name}: {reason}; training continues without it", stacklevel=2)
            with suppress(Exception):
                writer.close()


class _Recorded:
    """A writer that is opened at the first epoch that it lacks, and writes no epoch twice."""

    def __init__(self, open_: Callable[[Place], Writer], cell: Cell, folder: Path) -> None:
        self._open, self._cell, self._folder = open_, cell, folder
        self._record: dict[str, Any] | None = None
        self._writer: Writer | None = None

    def write(self, values: Mapping[str, float], epoch: int) -> None:
        record = self._record = self._record or self._begin(epoch)
        if epoch <= record["epoch"]:
            return
        if self._writer is None:
            place = Place(self._cell, self._folder, record["run"], epoch)
            self._writer = self._open(place)
        self._writer.write(values, epoch)
        record["epoch"] = epoch
        write_text(self._folder / RECORD, json.dumps(record) + "\n")

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _begin(self, epoch: int) -> dict[str, Any]:
        """Return the record of earlier epochs; a training that begins at epoch 1 replaces all."""
        path = self._folder / RECORD
        if epoch == 1:
            shutil.rmtree(self._folder, ignore_errors=True)
        elif path.exists():
            return dict(json.loads(path.read_text(encoding="utf-8")))
        self._folder.mkdir(parents=True, exist_ok=True)
        return {"run": uuid.uuid4().hex[:12], "epoch": 0}


def _folder_name(name: str) -> str:
    """Return ``tensorboard`` for itself, and ``module.function`` for ``module:function``."""
    return name.replace(":", ".")


def _percent(count: int, total: int) -> float | None:
    return 100 * count / total if total else None
