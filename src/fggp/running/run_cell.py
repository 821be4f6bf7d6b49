"""One cell from its data file to its result file: locked, resumable, never trained twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from fggp.data import load
from fggp.foundation.errors import Failure
from fggp.models.open_networks import origin as origin_of
from fggp.running.cell_lock import locked
from fggp.running.signals import stopping
from fggp.running.slurm_allocation import Allocation
from fggp.storage.logits import write_logits
from fggp.storage.packing import pack, unpack
from fggp.study.cell import Cell
from fggp.study.config_limits import check_fit
from fggp.study.dependencies import origin
from fggp.study.result_file import kept, logits_path, make, read, weights_path, write
from fggp.study.stored_results import finished, restore
from fggp.training.checkpoint import Located
from fggp.training.device import choose_device
from fggp.training.gpu_use import gpu_use, torch_build
from fggp.training.loop import Run, digest
from fggp.training.provenance import now, provenance
from fggp.training.speed import speed
from fggp.training.train import Report, Tick, train


def run_cell(
    cell: Cell,
    data: Path,
    out: Path,
    *,
    device: str = "auto",
    allocation: Allocation | None = None,
    tick: Tick = lambda done, steps: None,
    report: Report = lambda row, sizes: None,
) -> bool:
    """Train a cell and write its result to ``out``; return False if it already existed.

    The test logits and the packed weights are written next to it.

    SIGTERM, SIGINT, SIGUSR1 and SIGHUP end the training at the next step with a checkpoint, and so
    does the end of its ``allocation``. With an allocation, it also waits for another process that
    trains the cell.

    Raises:
        Failure: if another process trains this cell, the data file is unusable, or the cell
            does not fit its images.
        fggp.training.train.Stopped: after one of the signals, and before the allocation ends.

    """
    out.parent.mkdir(parents=True, exist_ok=True)
    patience = 0.0 if allocation is None else allocation.left
    with locked(out, patience=patience), stopping() as asked:
        if restore(cell, out):
            _drop_outlived(out.with_name(f".{out.stem}.ckpt"), kept(out))
            return False
        dataset = load(data)
        check_fit([cell], dataset.size)
        chosen, name = choose_device(device)
        tied = cell.with_data(dataset.sha256)
        store = Located(out.with_name(f".{out.stem}.ckpt"), tied, chosen.type, name)
        started = now()

        def stop() -> bool:
            return asked() or (allocation is not None and allocation.ends())

        used: dict[str, Any] = {}

        def finish(run: Run) -> None:
            if chosen.type == "cuda":
                used.update(gpu_use(store.peak_memory_mb, run.replayed_steps))
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
            started=started,
            seconds=store.seconds,
            device=chosen.type,
            devices=store.devices,
            torch_build=torch_build(chosen.type),
            gpu=used or None,
        )
        if cell.backbone.source is not None:
            record["network"] = origin_of(cell.backbone.name, cell.backbone.source)
        record |= store.meter.record() | speed(tied, outcome, record["seconds"], chosen)
        write(make(tied, outcome, record), out)
        store.remove()
        return True


def _drop_outlived(checkpoint: Path, finished: Path) -> None:
    """Delete a checkpoint that a kill left next to its result; a newer one has other settings."""
    if checkpoint.exists() and checkpoint.stat().st_mtime_ns <= finished.stat().st_mtime_ns:
        checkpoint.unlink()


def _dense(cell: Cell, out: Path) -> dict[str, Tensor] | None:
    """Return the trained dense network that a cell starts from, if it starts from one.

    Raises Failure if its result or its weights are missing, or are those of another training.
    """
    before = origin(cell)
    if before is None:
        return None
    above = out.absolute().parents  # before is next to out in one folder of runs
    path = (above[4] if len(above) > 4 else above[0]) / f"{before.id}.json"
    if not finished(before.with_data(None), path):
        raise Failure(
            f"{cell.id} starts from the dense network, but {path} is missing or of another cell; "
            f"train {before.id} first"
        )
    result, again = read(path), f"delete {path} with its other files and train {before.id} again"
    if result["cell"]["data"]["sha256"] != cell.data.sha256:
        raise Failure(f"{path} was trained on other data than {cell.id}; {again}")
    if not weights_path(path).exists():
        raise Failure(
            f"{weights_path(path)}: the weights that {cell.id} needs are missing; {again}"
        )
    state = unpack(weights_path(path))
    if digest(state) != result["outcome"]["weights_sha256"]:
        raise Failure(f"{weights_path(path)} does not belong to {path.name}; {again}")
    return state
