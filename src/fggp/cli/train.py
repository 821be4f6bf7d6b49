"""``train``: one cell."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fggp.cell import Cell
from fggp.cli.prepare import prepare_data
from fggp.cli.verb import load_study, verb
from fggp.complaints import explain, nearest
from fggp.config import cells
from fggp.errors import Failure
from fggp.methods import METHODS
from fggp.study import folder, run_path
from fggp.timing import epochs_of
from fggp.workers import STOPPED


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "train",
        do,
        "train one cell, or continue it, and write its result",
        "python -m fggp train demo vgg19/s95/i50/fggp/seed1\n"
        "  (the cells of a study: python -m fggp plan demo --cells)",
    )
    parser.add_argument("study", metavar="STUDY", nargs="?", help="a study, as in `plan`")
    parser.add_argument("id", metavar="CELL", nargs="?", help="a cell of it, as `plan` prints it")
    parser.add_argument(
        "--cell", metavar="JSON", help="the whole cell instead, as Snakemake gives it"
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="with --cell: the data file")
    parser.add_argument("--out", type=Path, metavar="FILE", help="with --cell: the result file")
    add_device(parser)


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add the --device option."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default=os.environ.get("FGGP_DEVICE", "auto"),
        help="default: $FGGP_DEVICE, else CUDA where there is one",
    )


def do(options: argparse.Namespace) -> int:
    """Train one cell."""
    cell, data, out = _given(options) if options.cell else _named(options)

    from tqdm import tqdm

    from fggp.job import run_cell
    from fggp.train import Row, Stopped

    recipe = METHODS[cell.method.name].recipe(**cell.method.settings)
    last = len(epochs_of(recipe, cell.training.epochs, cell.sparsity))
    warnings.formatwarning = lambda message, *where: f"fggp: {message}\n"  # a log needs no source
    with tqdm(desc=cell.id, unit=" steps", disable=not sys.stderr.isatty(), leave=False) as bar:

        def report(row: Row) -> None:
            tqdm.write(_line(row, last))
            sys.stdout.flush()

        def tick(done: int, steps: int) -> None:
            bar.total = steps
            bar.update(done - bar.n)

        try:
            trained = run_cell(cell, data, out, device=options.device, tick=tick, report=report)
        except Stopped:
            print(f"{cell.id}: stopped with a checkpoint; the same command continues it")
            return STOPPED
    print(f"{out}{'' if trained else ' was there already'}")
    return 0


def _given(options: argparse.Namespace) -> tuple[Cell, Path, Path]:
    if options.data is None or options.out is None:
        raise Failure("--cell needs --data and --out as well")
    try:
        cell = Cell(**json.loads(options.cell))
    except ValidationError as error:
        raise Failure(f"--cell: {explain(error, Cell)}") from None
    except (ValueError, TypeError) as error:
        raise Failure(f"--cell: not the JSON of a cell ({error})") from None
    name = cell.method.name
    if name not in METHODS:
        raise Failure(f"--cell: {name!r} is not a method{nearest(name, list(METHODS))}")
    return cell, options.data, options.out


def _named(options: argparse.Namespace) -> tuple[Cell, Path, Path]:
    if options.study is None or options.id is None:
        raise Failure("train needs a study and a cell; see python -m fggp train --help")
    if options.data or options.out:
        raise Failure("--data and --out go with --cell; a study says itself where its files lie")
    path, study = load_study(options.study)
    known = {cell.id: cell for cell in cells(study)}
    if options.id not in known:
        raise Failure(f"{path} has no cell {options.id!r}{nearest(options.id, list(known))}")
    cell = known[options.id]
    return cell, prepare_data(study.data), run_path(folder(path), cell)


def _line(row: dict[str, Any], last: int) -> str:
    loss = "     nan" if row["train_loss"] is None else f"{row['train_loss']:8.4f}"
    return (
        f"epoch {row['epoch']:>4}/{last}  lr {row['lr']:<8.4g} loss {loss}  "
        f"correct: validation {row['validation_correct']:>6}, test {row['test_correct']:>6}  "
        f"kept {row['kept']:>12,}"
    )
