"""Two cells in one job, as ``cells_per_gpu`` trains them: side by side on a GPU, through MPS."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from fggp.running.commands import run
from fggp.running.doctor.finding import Finding, ok, unchecked, warning, wrong
from fggp.running.gpu_check.asking import PATIENCE_SECONDS
from fggp.study.cell import Cell
from fggp.study.result_file import read

NAME = "two at once"
IN_TURN = "run one at a time"
"""The message of a job without MPS; see `fggp.running.gpu_sharing`."""
NEEDED = ("filelock", "safetensors", "tqdm", "zstandard")
"""Packages with which a job locks a cell, packs its weights and shows its progress."""


def pair(cell: Cell, data: Path, folder: Path, device: str, alone: str | None) -> Finding:
    """Train two seeds of a cell at once, and compare the first with the same training alone.

    Args:
        cell: cell to train.
        data: data file of the cell.
        folder: folder for the results.
        device: "cuda" or "cpu".
        alone: checksum of the weights of the cell when trained alone; None if that failed.

    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        return unchecked(NAME, f"a job needs {', '.join(missing)}", f"install {missing[0]}")
    folder.mkdir()
    cells = [cell, cell.model_copy(update={"seed": cell.seed + 1})]
    outs = [folder / f"seed{it.seed}.json" for it in cells]
    command = [
        *(sys.executable, "-m", "fggp", "train", "--device", device),
        *("--cell", *(it.canonical() for it in cells)),
        *("--data", str(data), "--out", *map(str, outs)),
    ]
    ran = run(command, PATIENCE_SECONDS)
    if ran.status:
        return wrong(NAME, f"the job fails: {_reason(ran.said, folder)}", "fix that first")
    if alone is None:
        return unchecked(NAME, "the job works; there is no single training to compare it with")
    if read(outs[0])["outcome"]["weights_sha256"] != alone:
        fix = "train one cell per job: omit --config cells_per_gpu"
        return wrong(NAME, "the weights differ from those of the single training", fix)
    if IN_TURN in ran.out:
        line = next(it for it in ran.out.splitlines() if IN_TURN in it)
        return warning(
            NAME, f"equal to the single training, but not simultaneous: {line}", "start MPS"
        )
    through = "through MPS" if device == "cuda" else "on separate cores"
    return ok(NAME, f"simultaneous {through}, and equal to the single training")


def _reason(said: str, folder: Path) -> str:
    """Return the last line of a log of the job, or what the job itself printed."""
    lines = [
        line
        for log in sorted(folder.glob("*.log"))
        for line in log.read_text(encoding="utf-8").splitlines()
    ]
    return (lines[-1] if lines else said)[-300:]
