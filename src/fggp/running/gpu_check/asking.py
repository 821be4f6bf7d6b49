"""Run a part of the check in a separate process: JSON in, JSON out, even if it crashes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fggp.running.commands import Ran, run

PATIENCE_SECONDS = 600
"""No part takes this number of seconds on a GPU unless it hangs."""


class Answer(NamedTuple):
    """The answer of a process.

    Attributes:
        facts: the answer; empty if it failed.
        failure: why it failed, on one line; empty if it did not.
        said: its other output.

    """

    facts: dict[str, Any]
    failure: str
    said: str


def ask(
    part: str, question: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Answer:
    """Run a module of this package in a new process, and return its answer; raises nothing."""
    command = [sys.executable, "-m", f"{__package__}.{part}"]
    entered = json.dumps(question)
    ran = run(command, PATIENCE_SECONDS, entered=entered, environment=environment)
    lines = ran.out.splitlines()
    try:
        facts = json.loads(lines[-1]) if ran.status == 0 else None
    except (ValueError, IndexError):
        facts = None
    said = "\n".join([*lines[:-1], ran.err])
    if isinstance(facts, dict):
        return Answer(facts, "", said)
    return Answer({}, _reason(ran), said)


def answer(work: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Act as the process: read the question, and print the answer of ``work`` as the last line."""
    print(json.dumps(work(json.load(sys.stdin))), flush=True)


def _reason(ran: Ran) -> str:
    lines = [line.strip() for line in ran.err.splitlines() if line.strip()]
    if not lines:
        return f"it ended with status {ran.status}"
    return lines[-1][:300]
