"""The verbs of the command line, each in a module that is imported only when it is used.

A verb needs only the packages that it uses: ``pack`` and ``methods`` work where neither
YAML nor pandas is installed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import fggp
from fggp.foundation.errors import Failure
from fggp.running.signals import ending_at_once

MODULES = {
    "doctor": "doctor",
    "prepare": "prepare",
    "plan": "plan",
    "train": "train",
    "run": "run",
    "status": "status",
    "aggregate": "aggregate",
    "analyse": "analyse",
    "table": "analyse",
    "figure": "analyse",
    "page": "analyse",
    "claims": "claims",
    "power": "power",
    "check-results": "check_results",
    "crate": "crate",
    "report": "report",
    "methods": "methods",
    "pack": "pack",
    "unpack": "pack",
    "shrink": "shrink",
    "latency": "latency",
    "essential": "essential",
    "schema": "schema",
    "completion": "completion",
}
"""The module of each verb, in the order of the help."""
STUDY = {"filelock", "PIL", "pynvml", "packaging", "sklearn", "torchvision", "tqdm", "yaml"}
ANALYSIS = {"jinja2", "matplotlib", "pandas", "scipy", "seaborn", "statsmodels", "tabulate"}
COMPLETION = {"shtab"}
"""The import names of the packages of three extras of the installation."""
CHECKOUT = Path(fggp.__file__).parents[2] / "Makefile"


def verb(
    verbs: Any, name: str, do: Callable[[argparse.Namespace], int], text: str, example: str
) -> argparse.ArgumentParser:
    """Add a verb: its first help line is ``text``, its last lines are the example."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(do=do)
    return parser


def add_verbs(verbs: Any, asked: str | None) -> None:
    """Add the requested verb, or all of them for a help text or a misspelt name.

    Raises:
        Failure: if a package that the verb needs is not installed.

    """
    for module in [MODULES[asked]] if asked in MODULES else dict.fromkeys(MODULES.values()):
        try:
            with ending_at_once():
                door = import_module(f"fggp.cli.{module}")
            door.add(verbs)
        except ModuleNotFoundError as error:
            needs = missing(error)
            if asked in MODULES:
                raise Failure(f"{asked} {needs}") from None
            for name in (name for name, its in MODULES.items() if its == module):
                verbs.add_parser(name, help=needs)


def missing(error: ModuleNotFoundError) -> str:
    """Return the missing package and how to install it; re-raise any other error."""
    package = (error.name or "").partition(".")[0]
    if package in ("", "fggp"):
        raise error
    extras = {"study": STUDY, "analysis": ANALYSIS, "completion": COMPLETION}
    extra = next((name for name, packages in extras.items() if package in packages), None)
    install = f"pip install '{f'fggp[{extra}]' if extra else 'fggp'}'"
    if CHECKOUT.is_file():
        install = "make setup, then . .venv/bin/activate"
    return f"needs the package {package}: {install}"
