"""``train``: one cell."""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import ValidationError

from fggp.cli.arguments import (
    add_device,
    add_writers,
    device_for,
    load_study,
    warn_of_other_settings,
)
from fggp.cli.epoch_line import line
from fggp.cli.failures import complain
from fggp.cli.prepare import prepare_data
from fggp.cli.verbs import verb
from fggp.foundation.errors import Failure
from fggp.foundation.user_variables import WRITERS
from fggp.foundation.validation import explain, nearest
from fggp.methods import METHODS
from fggp.methods.registry import LIST
from fggp.pruning.timing import epochs_of
from fggp.running.epoch_writers import EpochWriters
from fggp.running.signals import STOPPED, ending_at_once
from fggp.running.slurm_allocation import Allocation
from fggp.running.summary_writers import named
from fggp.running.workers import Task
from fggp.study.cell import Cell, MethodSettings
from fggp.study.config import cells
from fggp.study.result_file import read
from fggp.study.study_folder import folder, run_path
from fggp.study.verdict import words


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "train",
        do,
        "train or continue one cell, and write its result",
        "fggp train demo vgg19/s95/i50/fggp/seed1\n"
        "  (the cells of a study: fggp plan demo --cells)",
    )
    parser.add_argument("study", metavar="STUDY", nargs="?", help="a study, as in `plan`")
    parser.add_argument(
        "id", metavar="CELL", nargs="?", help="a cell of the study, as printed by `plan --cells`"
    )
    parser.add_argument(
        "--cell",
        metavar="JSON",
        nargs="+",
        default=[],
        help="a complete cell instead, as Snakemake passes it; several are trained at once",
    )
    parser.add_argument("--data", type=Path, metavar="FILE", help="with --cell: the data file")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        nargs="+",
        help="with --cell: the result file of each cell",
    )
    add_writers(parser)
    add_device(parser)


def do(options: argparse.Namespace) -> int:
    """Train one cell in this process, or each of several in its own process."""
    if options.cell:
        tasks, device = _given(options), options.device
    else:
        tasks, device = _named(options)
    allocation = Allocation.here()
    if len(tasks) == 1:
        status = _train(tasks[0], device, allocation, options.writers)
    else:
        from fggp.running.gpu_sharing import share

        os.environ[WRITERS] = options.writers
        ended = share(tasks, device)
        complain(ended)
        status = ended.status
        if allocation is not None:
            allocation.cut = ended.cut
    if status == STOPPED and allocation is not None and allocation.cut:
        allocation.requeue()
    return status


def _train(task: Task, device: str, allocation: Allocation | None, writers: str) -> int:
    with ending_at_once():
        from tqdm import tqdm

        from fggp.running.run_cell import run_cell
        from fggp.training.malloc import keep_freed_memory
        from fggp.training.train import Row, Sizes, Stopped

    keep_freed_memory()
    cell = task.cell
    recipe = METHODS[cell.method.name].recipe(**cell.method.settings)
    last = len(epochs_of(recipe, cell.training.epochs, cell.sparsity))
    warnings.formatwarning = lambda message, *where: f"fggp: {message}\n"  # a log needs no source
    written = EpochWriters(named(writers), cell, task.out)
    with tqdm(desc=cell.id, unit=" steps", disable=not sys.stderr.isatty(), leave=False) as bar:

        def report(row: Row, sizes: Sizes) -> None:
            tqdm.write(line(row, last, sizes))
            sys.stdout.flush()
            written.write(row, sizes)

        def tick(done: int, steps: int) -> None:
            bar.total = steps
            bar.update(done - bar.n)

        try:
            trained = run_cell(
                *(cell, task.data, task.out),
                device=device,
                allocation=allocation,
                tick=tick,
                report=report,
            )
        except Stopped:
            print(f"{cell.id}: stopped with a checkpoint; the same command continues it")
            return STOPPED
        finally:
            written.close()
    if trained:
        print(f"{cell.id}: {words(read(task.out)['outcome'])}")
    print(f"{task.out}{'' if trained else ' was there already'}")
    return 0


def _given(options: argparse.Namespace) -> list[Task]:
    if options.data is None or not options.out or len(options.out) != len(options.cell):
        raise Failure("--cell needs --data, and --out with one file for each cell")
    return [
        Task(cell, options.data, out)
        for cell, out in zip(map(_cell, options.cell), options.out, strict=True)
    ]


def _cell(text: str) -> Cell:
    try:
        cell = Cell(**json.loads(text))
    except ValidationError as error:
        raise Failure(f"--cell: {explain(error, Cell)}") from None
    except (ValueError, TypeError) as error:
        raise Failure(f"--cell: not the JSON of a cell ({error})") from None
    name = cell.method.name
    if name not in METHODS:
        raise Failure(f"--cell: {name!r} is not a method{nearest(name, METHODS, LIST)}")
    model = METHODS[name].settings
    try:
        settings = model(**cell.method.settings).model_dump(mode="json")
    except ValidationError as error:
        raise Failure(f"--cell: method.settings.{explain(error, model)}") from None
    # The result must name every setting that the cell was trained with.
    return cell.model_copy(update={"method": MethodSettings(name=name, settings=settings)})


def _named(options: argparse.Namespace) -> tuple[list[Task], str]:
    if options.study is None or options.id is None:
        raise Failure("train needs a study and a cell; see fggp train --help")
    if options.data or options.out:
        raise Failure("--data and --out need --cell; a study determines its own paths")
    path, study = load_study(options.study)
    known = {cell.id: cell for cell in cells(study)}
    if options.id not in known:
        hint = nearest(options.id, known, f"fggp plan {quote(path.stem)} --cells")
        raise Failure(f"{path} has no cell {options.id!r}{hint}")
    cell, home = known[options.id], folder(path)
    warn_of_other_settings(home, [cell])
    out = run_path(home, cell)
    return [Task(cell, prepare_data(path, study), out)], device_for(options, study)
