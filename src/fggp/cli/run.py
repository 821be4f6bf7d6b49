"""``run``: a study on one machine, without a scheduler."""

from __future__ import annotations

import argparse
import time
from typing import Any

from fggp.cli.prepare import prepare_data
from fggp.cli.train import add_device, complain
from fggp.cli.verb import load_study, study_argument, verb
from fggp.config import cells
from fggp.errors import Failure
from fggp.matching import restore
from fggp.origin import origin
from fggp.stopping import stopping
from fggp.study import data_path, folder, run_path, write_expected
from fggp.workers import Task, Workers


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "run",
        do,
        "train the cells of a study that are not done yet, on this machine",
        "python -m fggp run mini --minutes 60 --jobs 2\n"
        "  (the same command continues; Snakemake takes the results over)",
    )
    study_argument(parser)
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="stop cleanly after so long"
    )
    parser.add_argument("--jobs", type=positive_count, default=1, help="cells at once (default: 1)")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="just the cells whose name contains TEXT"
    )
    add_device(parser)


def do(options: argparse.Namespace) -> int:
    """Train what is not done; returns 0 when all is done, 1 on failures, 75 when time was up."""
    deadline = time.monotonic() + options.minutes * 60
    path, study = load_study(options.study)
    if not any(options.only in cell.id for cell in cells(study)):
        raise Failure(
            f"no cell of {path} contains {options.only!r}; see python -m fggp plan --cells"
        )
    home = folder(path)
    write_expected(study, home / "cells.json")
    prepare_data(study.data)
    tasks = []
    for cell in cells(study):
        if options.only not in cell.id:
            continue
        out = run_path(home, cell)
        if not restore(cell, out):
            before = origin(cell)
            after = before.id if before else None
            data = data_path(study.data.name)
            tasks.append(Task(cell, data, out, after))
    with stopping() as stop:
        ended = Workers(options.jobs, deadline, options.device, stop=stop).train(tasks)
    complain(ended)
    if ended.waiting:
        print(f"{len(ended.waiting)} cells wait for the next time; the same command continues")
    elif not ended.failed:
        print(f"all is trained; next: python -m fggp analyse {path.stem}")
    return ended.status


def positive_count(text: str) -> int:
    """Read a whole number of at least 1 from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
