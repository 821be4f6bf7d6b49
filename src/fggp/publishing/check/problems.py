"""A finding of a check: the file, the problem and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fggp.foundation.errors import Failure
from fggp.study.result_file import kept
from fggp.study.stored_results import StoredResult

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        path: the file.
        kind: what was checked, one word.
        text: the problem.
        fix: the remedy.
        level: a warning leaves the exit status at 0.

    """

    path: Path
    kind: str
    text: str
    fix: str
    level: Level = "error"

    @classmethod
    def of(cls, failure: Failure, path: Path, kind: str) -> Problem:
        """Parse the message of a failure, «path: what; fix», into a problem."""
        text = str(failure).removeprefix(f"{path}: ")
        what, _, fix = text.rpartition("; ")
        return cls(path, kind, what or fix, fix if what else "see the message")

    def __str__(self) -> str:
        return f"{self.level}: {self.path}: {self.text}; {self.fix}"

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return {
            "level": self.level,
            "file": str(self.path),
            "kind": self.kind,
            "problem": self.text,
            "fix": self.fix,
        }


class Item(StoredResult):
    """A result file whose blocks and types are correct."""

    @property
    def completed(self) -> bool:
        """Whether the training ran to its end."""
        return self.outcome.completed

    def problem(self, kind: str, text: str, fix: str = "", level: Level = "error") -> Problem:
        """Return a problem of this file; its fix is to train the cell again."""
        return Problem(self.path, kind, text, fix or again(self.path), level)


def again(path: Path) -> str:
    """Return the fix for a result that cannot be trusted."""
    return f"delete it and {kept(path).name} next to it, and train the cell again"
