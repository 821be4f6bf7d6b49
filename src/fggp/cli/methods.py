"""``methods``: the methods that can be compared."""

from __future__ import annotations

import argparse
import inspect
from itertools import groupby
from typing import Any

from fggp.cli.verbs import verb
from fggp.foundation.errors import Failure
from fggp.foundation.validation import nearest
from fggp.methods import METHODS, Definition
from fggp.methods.registry import LIST, ordered


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "methods",
        do,
        "list the methods with their settings and papers, or explain one",
        "fggp methods fggp",
    )
    parser.add_argument("name", metavar="METHOD", nargs="?", help="explain this method in full")


def do(options: argparse.Namespace) -> int:
    """Print all methods, or one with its docstring."""
    if options.name is None:
        for kind, methods in groupby(ordered(), lambda it: it.kind):
            print(f"{kind[0].upper()}{kind[1:]}\n")
            for method in methods:
                print(f"{method.name}: {method.summary}\n{_facts(method)}\n")
        return 0
    if options.name not in METHODS:
        raise Failure(f"no method is called {options.name!r}{nearest(options.name, METHODS, LIST)}")
    method = METHODS[options.name]
    print(f"{method.name}\n{_facts(method)}\n\n{inspect.getdoc(method.make)}")
    return 0


def _ranks(method: Definition) -> str:
    if method.ranks and method.pattern == "filters":
        return "ranks among filters"
    return "ranks" if method.ranks else "does not rank"


def _facts(method: Definition) -> str:
    facts = [
        method.kind,
        {"both": "two starts", "one": "one start", "none": "prunes nothing"}[method.starts],
        _ranks(method),
        f"{method.masking} masking",
        *([] if method.exact else ["compared at its realized sparsity"]),
    ]
    lines = [f"{', '.join(facts)}; {method.paper}"]
    if settings := method.defaults:
        lines.append("settings: " + ", ".join(f"{key}: {it}" for key, it in settings.items()))
    return "\n".join(f"    {line}" for line in lines)
