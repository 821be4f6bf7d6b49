"""``aggregate``: result files in, tables of runs, epochs, layers and updates out."""

from __future__ import annotations

import argparse
from typing import Any

from fggp.cli.arguments import add_partial, study_argument, study_folder
from fggp.cli.verbs import verb


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "aggregate",
        do,
        "collect the results of a study into runs.csv, epochs.csv, layers.csv and updates.csv",
        "fggp aggregate demo",
    )
    study_argument(parser)
    add_partial(parser)


def do(options: argparse.Namespace) -> int:
    """Aggregate a study."""
    from fggp.analysis.collect.aggregate import aggregate

    for path in aggregate(
        study_folder(options.study),
        partial=options.partial,
        allow_mixed_device=options.allow_mixed_device,
    ):
        print(path)
    return 0
