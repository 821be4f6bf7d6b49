"""``claims``: which claims of the paper a study bears out."""

from __future__ import annotations

import argparse
from typing import Any

from fggp.cli.verb import study_argument, study_folder, verb


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "claims",
        do,
        "decide the claims of the paper by an aggregated study",
        "python -m fggp claims demo",
    )
    parser.epilog = (
        "The claims and the rules that decide them are declared in config/claims.yaml; without\n"
        "it, those inside the package hold. Writes tables/claims.csv, .md and .tex as well.\n\n"
        "exit status:\n"
        "  0  every claim that the study speaks of holds\n"
        "  1  some claim fails (or the study cannot be read)\n"
        "  2  none fails, but some cannot be decided with so many settings and seeds, or the\n"
        f"     study speaks of none\n\n{parser.epilog}"
    )
    study_argument(parser)


def do(options: argparse.Namespace) -> int:
    """Decide the claims, write and print their table."""
    import csv

    from fggp.analysis.claims import status
    from fggp.analysis.tables import write_table

    paths = {path.suffix: path for path in write_table("claims", study_folder(options.study))}
    print(paths[".md"].read_text(), end="")
    with paths[".csv"].open(newline="") as file:
        return status([row["verdict"] for row in csv.DictReader(file)])
