"""One cell from its data file to its result file: locked, resumable, never trained twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fggp.allocation import Allocation
from fggp.cell import Cell
from fggp.data import load
from fggp.errors import Failure
from fggp.locking import locked
from fggp.logits import write_logits
from fggp.loop import Run, digest
from fggp.matching import finished, restore
from fggp.metered import Metered
from fggp.metering.speed import speed
from fggp.origin import origin
from fggp.packing import pack, unpack
from fggp.provenance import now, processor, provenance
from fggp.results import kept, logits_path, make, read, weights_path, write
from fggp.stopping import stopping
from fggp.train import Row, Tick, train

DEVICES = ("auto", "cpu", "cuda")


class Timed(Metered):
    """A checkpoint that also carries the seconds spent so far."""

    def __init__(self, path: Path, cell: Cell, device: str) -> None:
        super().__init__(path, cell, device)
        self.began, self.before = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """Seconds spent on the cell, in this process and in those before it."""
        return self.before + time.monotonic() - self.began

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by ``state`` and the seconds."""
        super().save(state | {"seconds": self.seconds})

    def load(self) -> dict[str, Any] | None:
        """Return the saved state and take its seconds over."""
        state = super().load()
        self.before = state["seconds"] if state else 0.0
        return state


def run_cell(
    cell: Cell,
    data: Path,
    out: Path,
    *,
    device: str = "auto",
    allocation: Allocation | None = None,
    tick: Tick = lambda done, steps: None,
    report: Callable[[Row], None] = lambda row: None,
) -> bool:
    """Train a cell and write its result to ``out``; returns False where it was there already.

    The test logits and the packed weights are written beside it.

    SIGTERM, SIGINT and SIGUSR1 end the training at the next step with a checkpoint, and so does the
    end of its ``allocation``. In one it also waits for another process that trains the cell.

    Raises:
        Failure: where another process trains this cell, or the data file is unusable.
        fggp.train.Stopped: after one of the signals, and before the allocation ends.

    """
    out.parent.mkdir(parents=True, exist_ok=True)
    patience = 0.0 if allocation is None else allocation.left
    with locked(out, patience=patience), stopping() as asked:
        if restore(cell, out):
            _drop_outlived(out.with_name(f".{out.stem}.ckpt"), kept(out))
            return False
        dataset = load(data)
        chosen, name = choose_device(device)
        tied = cell.with_data(dataset.sha256)
        store = Timed(out.with_name(f".{out.stem}.ckpt"), tied, chosen.type)
        started = now()

        def stop() -> bool:
            return asked() or (allocation is not None and allocation.ends())

        def finish(run: Run) -> None:
            if run.logits is not None:
                write_logits(logits_path(out), run.logits, dataset.test_labels)
            pack(run.weights(), weights_path(out))

        outcome = train(
            tied,
            dataset,
            device=chosen,
            store=store,
            trained=_dense(tied, out),
            stop=stop,
            tick=store.ticking(tick),
            report=report,
            finish=finish,
        )
        record = provenance(
            started=started, seconds=store.seconds, device=chosen.type, device_name=name
        )
        record |= store.energy() | speed(tied, outcome, record["seconds"], chosen)
        write(make(tied, outcome, record), out)
        store.remove()
        return True


def _drop_outlived(checkpoint: Path, finished: Path) -> None:
    """Delete a checkpoint that a kill left beside its result; a newer one is of other settings."""
    if checkpoint.exists() and checkpoint.stat().st_mtime_ns <= finished.stat().st_mtime_ns:
        checkpoint.unlink()


def _dense(cell: Cell, out: Path) -> dict[str, Tensor] | None:
    """Return the trained dense network that a cell starts from, if it starts from one.

    Raises Failure where its result or its weights are missing, or are those of another training.
    """
    before = origin(cell)
    if before is None:
        return None
    path = out.parents[4] / f"{before.id}.json"  # beside out in one folder of runs
    if not finished(before.with_data(None), path):
        raise Failure(
            f"{cell.id} starts from the dense network, and {path} is missing or another; "
            f"train {before.id} first"
        )
    result, again = read(path), f"delete {path} with all beside it and train {before.id} again"
    if result["cell"]["data"]["sha256"] != cell.data.sha256:
        raise Failure(f"{path} was trained on other data than {cell.id} is; {again}")
    if not weights_path(path).exists():
        raise Failure(f"{weights_path(path)}: the weights that {cell.id} needs are gone; {again}")
    state = unpack(weights_path(path))
    if digest(state) != result["outcome"]["weights_sha256"]:
        raise Failure(f"{weights_path(path)} does not belong to {path.name}; {again}")
    return state


def choose_device(wanted: str) -> tuple[torch.device, str]:
    """Return the device for ``auto``, ``cpu`` or ``cuda``, and its name."""
    if wanted not in DEVICES:
        raise Failure(f"device {wanted!r} is not one of {', '.join(DEVICES)}")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise Failure("no CUDA device is visible to PyTorch; train with --device cpu")
    name = torch.cuda.get_device_name() if wanted == "cuda" else processor()
    return torch.device(wanted), name
