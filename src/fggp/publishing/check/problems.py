"""What a check finds: the file, what is wrong with it, and the fix."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fggp.foundation.errors import Failure
from fggp.study.cell import Cell
from fggp.study.result_file import Result, kept
from fggp.study.verdict import COMPLETED

Level = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        path: the file.
        kind: what was checked, one word.
        text: what is wrong.
        fix: what to do.
        level: a warning leaves the exit status at 0.

    """

    path: Path
    kind: str
    text: str
    fix: str
    level: Level = "error"

    @classmethod
    def of(cls, failure: Failure, path: Path, kind: str) -> Problem:
        """Return the problem that the message of a failure tells: «path: what; fix»."""
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


@dataclass(frozen=True)
class Item:
    """A result file whose blocks and types are right.

    Attributes:
        path: of the file.
        cell: as it says itself, filled up with newer settings, without the checksum of its data.
        result: its content.

    """

    path: Path
    cell: Cell
    result: Result

    @property
    def outcome(self) -> dict[str, Any]:
        """What came of the cell."""
        outcome: dict[str, Any] = self.result["outcome"]
        return outcome

    @property
    def provenance(self) -> dict[str, Any]:
        """Where and when."""
        provenance: dict[str, Any] = self.result["provenance"]
        return provenance

    @property
    def completed(self) -> bool:
        """Whether the training went to its end."""
        return bool(self.outcome["verdict"] == COMPLETED)

    def problem(self, kind: str, text: str, fix: str = "", level: Level = "error") -> Problem:
        """Return a problem of this file; its fix is to train the cell anew."""
        return Problem(self.path, kind, text, fix or again(self.path), level)


def again(path: Path) -> str:
    """Return the fix of a result that cannot be trusted."""
    return f"delete it and {kept(path).name} beside it, and train the cell again"
