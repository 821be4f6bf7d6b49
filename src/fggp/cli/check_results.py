"""``check-results``: validate the result files in a folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from fggp.cli.verbs import verb


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "check-results",
        do,
        "validate a study's result files, individually and against each other",
        "fggp check-results results/reference",
    )
    parser.epilog = (
        "Checks blocks and types, the cell named by the path, missing, duplicate and stray cells,\n"
        "counts of weights and images, mask updates against their schedule, the three accuracy\n"
        "views against the epochs, time stamps, mixed data, devices and versions, and the files\n"
        "next to each result. A warning is printed but does not change the exit status.\n\n"
        "exit status:\n"
        "  0  no errors\n"
        f"  1  errors (or nothing to check)\n\n{parser.epilog}"
    )
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="the folder of one study or of several"
    )
    parser.add_argument(
        "--complete", action="store_true", help="report every cell without a result as an error"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")


def do(options: argparse.Namespace) -> int:
    """Check the results, and print a line per problem and a summary."""
    from fggp.publishing.check.study import check, studies
    from fggp.publishing.check.summary import plain, text

    reports = [check(path, complete=options.complete) for path in studies(options.folder)]
    if options.json:
        print(json.dumps(plain(reports), indent=1))
    else:
        print(*text(reports), sep="\n")
    return 0 if all(report.green for report in reports) else 1
