"""``claims``: which claims of the paper a study bears out."""

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
        "decide the claims of the paper by an aggregated study",
        "fggp claims demo",
    )
    parser.epilog = (
        "The claims and the rules that decide them are declared in config/claims.yaml; without\n"
        "it, those inside the package hold. Writes tables/claims.csv, .md and .tex as well.\n"
        "A study without tables, as those in results/reference are, is aggregated on the side\n"
        "and left as it is.\n\n"
        "exit status:\n"
        "  0  every claim that the study speaks of holds\n"
        "  1  some claim fails (or the study cannot be read)\n"
        "  2  none fails, but some cannot be decided with so many settings and seeds, or the\n"
        f"     study speaks of none\n\n{parser.epilog}"
    )
    study_argument(parser)
    add_partial(parser)


def do(options: argparse.Namespace) -> int:
    """Decide the claims, and print their table."""
    folder = study_folder(options.study)
    if (folder / "runs.csv").exists() or not (folder / "cells.json").exists():
        return _decide(folder)
    from fggp.analysis.collect.aggregate import aggregate

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
    print(paths[".md"].read_text(), end="")
    with paths[".csv"].open(newline="") as file:
        return status([row["verdict"] for row in csv.DictReader(file)])
