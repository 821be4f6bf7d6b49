"""``claims``: the verdict of a study on each claim of the paper."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from fggp.cli.arguments import add_partial, study_argument, study_folder
from fggp.cli.verbs import verb


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "claims",
        do,
        "decide the claims of the paper from the results of a study",
        "fggp claims demo",
    )
    parser.epilog = (
        "The claims and the rules that decide them are declared in config/claims.yaml; without\n"
        "that file, those in the package apply. If the tables of the study are up to date,\n"
        "tables/claims.csv, .md and .tex are written too. A study without tables, like those in\n"
        "results/reference, or with tables that are older than its results, is aggregated in a\n"
        "temporary folder and not changed.\n\n"
        "exit status:\n"
        "  0  all claims that the study covers hold\n"
        "  1  a claim fails (or the study cannot be read)\n"
        "  2  no claim fails, but some are undecided for lack of settings or seeds, or the\n"
        f"     study covers none\n\n{parser.epilog}"
    )
    study_argument(parser)
    add_partial(parser)


def do(options: argparse.Namespace) -> int:
    """Decide the claims, and print their table."""
    from fggp.analysis.collect.aggregate import aggregate
    from fggp.analysis.collect.outdated import outdated

    folder = study_folder(options.study)
    if not (folder / "cells.json").exists():
        return _decide(folder)
    if (folder / "runs.csv").exists() and not outdated(folder):
        return _decide(folder)

    with tempfile.TemporaryDirectory() as name:
        aside = Path(name)
        aggregate(
            folder,
            aside,
            partial=options.partial,
            allow_mixed_device=options.allow_mixed_device,
        )
        return _decide(aside)


def _decide(folder: Path) -> int:
    """Write and print the table of an aggregated study."""
    import csv

    from fggp.analysis.tables import write_table
    from fggp.analysis.tables.claims import status

    paths = {path.suffix: path for path in write_table("claims", folder)}
    print(paths[".md"].read_text(encoding="utf-8"), end="")
    with paths[".csv"].open(newline="", encoding="utf-8") as file:
        return status([row["verdict"] for row in csv.DictReader(file)])
