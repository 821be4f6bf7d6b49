"""Accuracy of trained dense networks without their smallest weights, not trained further."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from shlex import quote

import torch
from torch import nn

from fggp.data import Dataset, load
from fggp.foundation.errors import Failure
from fggp.foundation.quantities import percent
from fggp.pruning.sparsify import sparsify
from fggp.storage.packing import unpack
from fggp.study.cell import Cell
from fggp.study.dependencies import DENSE
from fggp.study.essential_file import Essential, knee
from fggp.study.result_file import weights_path
from fggp.study.stored_results import StoredResult
from fggp.study.study_folder import data_path, read_expected, run_path
from fggp.training.build import in_order, network_of
from fggp.training.device import choose_device
from fggp.training.loop import digest
from fggp.training.provenance import now
from fggp.training.torch_settings import arithmetic, autocast

STEP = Fraction(1, 50)


def dense_cells(study_folder: Path, only: str = "") -> list[Cell]:
    """Return the dense cells of a study whose trained weights are available.

    Args:
        study_folder: results folder of the study.
        only: text that the names of the returned cells contain.

    Raises:
        Failure: if there is none.

    """
    cells = [
        cell
        for cell in read_expected(study_folder)[1]
        if cell.label == DENSE
        and only in cell.id
        and weights_path(run_path(study_folder, cell)).exists()
    ]
    if not cells:
        which = f" with {only!r} in its name" if only else ""
        raise Failure(
            f"{study_folder}: no trained dense network{which} has its weights (….weights.fggp) "
            f"here; train it with `fggp run {quote(study_folder.name)}`"
        )
    return cells


def levels(step: Fraction) -> list[Fraction]:
    """Return the sparsities to measure: from 0 in steps, below 1."""
    return [step * number for number in range(int(1 / step) + 1) if step * number < 1]


def measure(
    study_folder: Path,
    cell: Cell,
    sparsities: Sequence[Fraction],
    *,
    device: str = "auto",
    tick: Callable[[], None] = lambda: None,
) -> list[Essential]:
    """Return a row for each sparsity, in ascending order.

    Weights are removed by magnitude over all prunable layers, at once; nothing is trained.

    Args:
        study_folder: results folder of the study.
        cell: trained dense cell.
        sparsities: sparsities in ascending order.
        device: ``auto``, ``cpu`` or ``cuda``.
        tick: called after each sparsity.

    Raises:
        Failure: if the images or weights are missing, or the weights belong to another result, or
            the result to other settings or images.

    """
    stored = StoredResult.read(run_path(study_folder, cell))
    path, known = weights_path(stored.path), stored.outcome.weights_sha256
    if not stored.belongs_to(cell):
        raise Failure(
            f"{stored.path}: was trained with other settings than the study now has; "
            f"train {cell.id} again"
        )
    chosen, name = choose_device(device)
    dataset, state = load(data_path(cell.data.name)), unpack(path)
    if digest(state) != known:
        raise Failure(f"{path}: does not belong to the result next to it; train {cell.id} again")
    if stored.data_sha256 not in (None, dataset.sha256):
        raise Failure(
            f"{data_path(cell.data.name)}: has other images than those that {cell.id} was trained "
            "on; train it again"
        )
    found = []
    with arithmetic(cell.training):
        model = network_of(cell, len(dataset.classes), chosen, dataset.size.side)
        model.load_state_dict(state)
        for sparsity in sparsities:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # an empty layer shows
                masks = sparsify(model, sparsity)
            found.append(
                Essential(
                    cell=cell.id, weights_sha256=known, sparsity=float(sparsity),
                    kept=sum(int(mask.sum()) for mask in masks.values()),
                    weights=sum(mask.numel() for mask in masks.values()),
                    correct=_correct(model, cell, dataset, chosen),
                    images=len(dataset.test_labels), device=chosen.type, device_name=name,
                    torch=torch.__version__, measured=now(),
                )
            )  # fmt: skip
            tick()
    return found


@torch.no_grad()
def _correct(model: nn.Module, cell: Cell, dataset: Dataset, device: torch.device) -> int:
    model.eval()
    correct = torch.zeros((), dtype=torch.int64, device=device)
    images = dataset.test_images, dataset.test_labels
    for x, y in in_order(cell, dataset, *images, device):
        with autocast(cell.training, device):
            outputs = model(x)
        correct += (outputs.argmax(1) == y).sum()
    return int(correct)


def lines(rows: Sequence[Essential]) -> Iterator[str]:
    """Yield lines for some rows of one network: the dense one, the knee, and each tenth."""
    bend = rows[knee([it.correct for it in rows], rows[0].images)]
    for row in rows:
        tenth = round(100 * row.sparsity) % 10 == 0
        if tenth or row is bend or row is rows[-1]:
            mark = "  knee: the last within a point of dense" if row is bend else ""
            share = 100 * row.correct / row.images
            yield f"  {percent(row.sparsity):>6} sparsity  {share:>6.2f} %{mark}"
