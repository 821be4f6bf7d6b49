"""``report``: write the pages about this artifact, with numbers from its files."""

from __future__ import annotations

import argparse
from typing import Any

from fggp.cli.verbs import verb


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "report",
        do,
        "rewrite the pages that have a template in docs/templates",
        "fggp report",
    )
    parser.epilog = f"Needs the tables that `make paper` writes.\n\n{parser.epilog}"


def do(options: argparse.Namespace) -> int:
    """Write the pages and print their paths."""
    from fggp.publishing.report.report import write_reports

    print(*write_reports(), sep="\n")
    return 0
