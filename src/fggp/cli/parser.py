"""The parser of the command line, with the requested verb or with all of them."""

from __future__ import annotations

import argparse

import fggp
from fggp.cli.verbs import add_verbs
from fggp.foundation.user_variables import VARIABLES


def parser(asked: str | None) -> argparse.ArgumentParser:
    """Return the parser with the requested verb, or with all verbs if there is none."""
    made = argparse.ArgumentParser(
        prog="fggp",
        description="Train, resume and analyse a pruning comparison.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"fggp {fggp.__version__}")
    made.add_argument("-C", dest="working_folder", metavar="DIR", help="run in this folder")
    add_verbs(made.add_subparsers(dest="verb", metavar="VERB", required=True), asked)
    return made


def _epilog() -> str:
    width = max(map(len, VARIABLES))
    return "\n".join(
        [
            "environment variables:",
            *(f"  {name:{width}}  {text}" for name, text in VARIABLES.items()),
            "",
            "Each verb has its own help with an example: fggp train --help.",
            "`python -m fggp` is the same command.",
        ]
    )
