"""``plan``: the cells of a study, in training order."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any

from fggp.cli.verb import load_study, study_argument, verb
from fggp.config import cells
from fggp.matching import finished
from fggp.study import folder, run_path, write_expected


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "plan",
        do,
        "check a study and list its cells in training order",
        "python -m fggp plan paper --cells",
    )
    study_argument(parser)
    parser.add_argument("--cells", action="store_true", help="print every cell, not just numbers")
    parser.add_argument("--write", action="store_true", help="write results/STUDY/cells.json")


def do(options: argparse.Namespace) -> int:
    """Print the plan of a study."""
    path, study = load_study(options.study)
    listed = cells(study)
    done = {cell.id for cell in listed if finished(cell, run_path(folder(path), cell))}
    if options.write:
        write_expected(study, folder(path) / "cells.json")
    if options.cells:
        for cell in listed:
            print(f"{'done' if cell.id in done else 'to do'}  {cell.id}")
    for label, count in Counter(cell.label for cell in listed).items():
        print(f"{label:<24} {count:>6} cells")
    print(f"{'all':<24} {len(listed):>6} cells, {len(done)} done, {study.description}")
    return 0
