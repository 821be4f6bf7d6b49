"""``crate``: pack a study into one RO-Crate, for a data repository."""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote
from typing import Any

from fggp.cli.arguments import study_argument, study_folder
from fggp.cli.verbs import verb
from fggp.foundation.errors import Failure

FIGURES = Path("figures")


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "crate",
        do,
        "pack the results, tables and figures of a study into a Workflow Run RO-Crate",
        "fggp crate demo",
    )
    parser.epilog = (
        "One zip with ro-crate-metadata.json: every file with its checksum, every training with\n"
        "its times, machine and program. Equal studies give equal bytes. Packed weights and\n"
        f"logits are left out.\n\n{parser.epilog}"
    )
    study_argument(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="the zip file (default: STUDY.crate.zip next to the tables)",
    )


def do(options: argparse.Namespace) -> int:
    """Write the crate and print its path."""
    from fggp.publishing.crate.crate import write_crate

    study = study_folder(options.study)
    name = study.resolve().name
    places = (study, FIGURES / name)
    analysed = next((place for place in places if (place / "runs.csv").exists()), None)
    if analysed is None:
        raise Failure(
            f"{study}: has no tables yet; make them with "
            f"`fggp analyse {quote(str(study))} --out {FIGURES / name}`"
        )
    print(write_crate(study, analysed, options.out or analysed / f"{name}.crate.zip"))
    return 0
