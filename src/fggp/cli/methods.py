"""``methods``: what can be compared."""

from __future__ import annotations

import argparse
from typing import Any

from fggp.cli.verb import verb
from fggp.methods import METHODS


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    verb(
        verbs,
        "methods",
        do,
        "list the methods with their settings and papers",
        "python -m fggp methods",
    )


def do(options: argparse.Namespace) -> int:
    """Print the methods."""
    for method in METHODS.values():
        settings = method.settings().model_dump(mode="json")
        facts = [
            "two starts" if method.starts == "both" else "one start",
            "ranks" if method.ranks else "reference, does not rank",
            f"{method.masking} masking",
        ]
        print(f"{method.name}: {method.summary}\n    {', '.join(facts)}; {method.paper}")
        if settings:
            print(
                "    settings: " + ", ".join(f"{key}: {value}" for key, value in settings.items())
            )
    return 0
