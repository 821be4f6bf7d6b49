"""``check-results``: whether the results in a folder can be trusted to be what they say."""

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
        "check every result file of a study, by itself and with the others",
        "fggp check-results results/reference",
    )
    parser.epilog = (
        "Blocks and types, the cell that the path names, cells that are missing, twice there or\n"
        "strays, counts of weights and images, mask updates against their schedule, the three\n"
        "views against the epochs, time stamps, mixed data, devices and versions, and the files\n"
        "beside. A warning is told and does not fail.\n\n"
        "exit status:\n"
        "  0  no error\n"
        f"  1  an error (or there is nothing to check)\n\n{parser.epilog}"
    )
    parser.add_argument(
        "folder", metavar="DIR", type=Path, help="a study's folder, or one that holds several"
    )
    parser.add_argument(
        "--complete", action="store_true", help="a cell without a result is an error, too"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document instead")


def do(options: argparse.Namespace) -> int:
    """Check, and print a line per problem and a summary."""
    from fggp.publishing.check.study import check, studies
    from fggp.publishing.check.summary import plain, text

    reports = [check(path, complete=options.complete) for path in studies(options.folder)]
    if options.json:
        print(json.dumps(plain(reports), indent=1))
    else:
        print(*text(reports), sep="\n")
    return 0 if all(report.green for report in reports) else 1
