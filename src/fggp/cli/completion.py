"""``completion``: completion scripts for shells."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from fggp.cli.parser import parser
from fggp.cli.verbs import verb

SHELLS = ("bash", "zsh", "tcsh")
PATHS = {"STUDY": "FILE", "FILE": "FILE", "FOLDER": "DIRECTORY", "DIR": "DIRECTORY"}
"""The arguments that name files or folders, by their names in the help."""


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    made = verb(
        verbs,
        "completion",
        do,
        "print the script with which a shell completes verbs, options and files",
        "fggp completion bash > ~/.local/share/bash-completion/completions/fggp\n"
        "  (zsh: into _fggp in a folder of $fpath; tcsh: into a file that ~/.tcshrc sources)",
    )
    made.add_argument("shell", choices=SHELLS, help="the shell")


def do(options: argparse.Namespace) -> int:
    """Print the script; needs the package shtab."""
    import shtab

    whole = parser(None)
    for action in _actions(whole):
        named = action.metavar if isinstance(action.metavar, str) else ""
        if named in PATHS and not action.choices:
            action.complete = getattr(shtab, PATHS[named])  # type: ignore[attr-defined]
    print(shtab.complete(whole, options.shell))
    return 0


def _actions(made: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of the verbs below it."""
    for action in made._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
