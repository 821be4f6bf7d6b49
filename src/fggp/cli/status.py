"""``status``: the progress of a study, read from the files that its trainings write."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from fggp.cli.arguments import (
    CONFIG,
    add_costs,
    chosen,
    positive,
    positive_count,
    study_argument,
    study_folder,
)
from fggp.cli.status_page import page
from fggp.cli.verbs import verb
from fggp.data.registry import size_of
from fggp.running.progress.finished_cells import FinishedCells, expected
from fggp.running.progress.pace import device_of
from fggp.running.progress.status import Progress, finished, progress
from fggp.running.signals import STOPPED
from fggp.study.study_folder import data_path, folder

CLEAR = "\x1b[H\x1b[2J\x1b[3J"
SECONDS = 10.0
MEANING = """
done      the result of exactly this cell, or its hidden copy, exists
running   a live process holds the cell's lock and is writing to its files
stalled   locked by a process that is gone, or that wrote nothing for ten minutes and five epochs
failed    its log ends with an error, or Slurm reports that its job ended; a rerun tries again
waiting   all other cells; one with a checkpoint continues where it stopped

Hours of finished cells are measured; the rest are estimates. If trainings share a GPU,
the full time of each is counted. Energy is measured if a counter of the GPU or the processors
can be read; otherwise it is marked as an estimate. The command only reads files, so it works in any
shell that can see the results folder; Slurm, if it answers, is only asked how the jobs of lost
cells ended.
Exit status: 0 all cells are done, 75 some are waiting or running, 1 some failed or stalled."""


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "status",
        do,
        "show the progress of a study: cells, hours used and left, stalled and failed cells",
        "fggp status demo --watch\n  (for scripts: fggp status demo --json)",
    )
    parser.description = f"{parser.description}\n{MEANING}"
    study_argument(parser)
    parser.add_argument(
        "--watch",
        nargs="?",
        type=positive,
        const=SECONDS,
        metavar="SECONDS",
        help=f"refresh every SECONDS (default: {SECONDS:g}) until all is done or Ctrl-C is pressed",
    )
    parser.add_argument(
        "--top",
        type=positive_count,
        default=10,
        metavar="N",
        help="cells of each state shown (default: 10)",
    )
    parser.add_argument("--json", action="store_true", help="print every cell, as JSON")
    add_costs(parser)


def do(options: argparse.Namespace) -> int:
    """Print the progress of a study; returns 0 when all is done, 1 on failures, else 75."""
    if options.watch is None:
        found = _look(options, FinishedCells())
        print(_text(options, found))
        return status_of(found)
    results = FinishedCells()
    try:
        while True:
            found = _look(options, results)
            live = sys.stdout.isatty() and not options.json
            print(f"{CLEAR if live else ''}{_text(options, found)}", flush=True)
            if status_of(found) == 0:
                return 0
            time.sleep(options.watch)
    except KeyboardInterrupt:
        return 0


def status_of(found: Progress) -> int:
    """Return the exit status for the progress of a study."""
    if found.count("failed") or found.count("stalled"):
        return 1
    return 0 if found.count("done") == len(found.cells) else STOPPED


def _look(options: argparse.Namespace, known: FinishedCells) -> Progress:
    home, configuration = _place(options.study)
    wanted = expected(home, configuration)
    size = size_of(wanted.data.kind, data_path(wanted.data.name))
    results = finished(home, wanted, known)
    device = device_of(wanted.training, results.values())
    device = chosen(options, device, wanted.training, results.values())
    return progress(home, wanted, results, size, device)


def _place(name: str) -> tuple[Path, Path | None]:
    """Return the results folder of a study, and its configuration if available."""
    given = Path(name)
    if given.suffix in {".yaml", ".yml"}:
        return folder(given), given
    home = study_folder(name)
    path = CONFIG / f"{home.name}.yaml"
    here = path.exists() and folder(path).resolve() == home.resolve()
    return home, path if here else None


def _text(options: argparse.Namespace, found: Progress) -> str:
    return as_json(found) if options.json else page(found, options.top)


def as_json(found: Progress) -> str:
    """Return the progress as JSON: durations in seconds, times in seconds since the epoch."""
    return json.dumps(
        {
            "study": found.study,
            "now": found.now,
            "counts": found.counts,
            "device": found.pace.device.name,
            "units": found.units,
            "seconds": {"used": found.used, "begun": found.begun, "left": found.left},
            "end": found.end,
            "images_per_second": median(found.speeds) if found.speeds else None,
            "measured": {"joules": sum(found.joules), "cells": len(found.joules)},
            "cells": [vars(cell) for cell in found.cells],
        },
        indent=1,
    )
