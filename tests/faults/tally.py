"""The actions of a part of the campaign, the answers, and every promise that was broken."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

LOST = "results lost"
WRONG = "wrong results"
TRACEBACK = "tracebacks"
UNCLEAR = "answers that are not one line with the fix"
LEFT = "files left behind"
HUNG = "commands without an end"
BROKEN = (LOST, WRONG, TRACEBACK, UNCLEAR, LEFT, HUNG)


@dataclass
class Tally:
    """Counts of one part: ``tried`` of something, by action and by outcome."""

    what: str
    tried: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, str]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0

    def note(self, kind: str) -> None:
        """Count something that happened and breaks nothing."""
        self.seen[kind] += 1

    def fault(self, kind: str, told: str) -> None:
        """Record a broken promise with all that is needed to find it."""
        self.broken.append((kind, told))
        print(f"{kind}: {told}", file=sys.stderr, flush=True)

    def end(self) -> Tally:
        """Take the time."""
        self.seconds = round(time.monotonic() - self.began, 1)
        return self

    def plain(self) -> dict[str, Any]:
        """Return the tally as JSON data."""
        return {
            "what": self.what,
            "tried": self.tried,
            "seconds": self.seconds,
            "seen": dict(sorted(self.seen.items())),
            "broken": {kind: [t for k, t in self.broken if k == kind] for kind in BROKEN},
        }

    def __str__(self) -> str:
        counts = Counter(kind for kind, _ in self.broken)
        told = ", ".join(f"{kind} {counts[kind]}" for kind in BROKEN)
        seen = ", ".join(f"{kind} {count}" for kind, count in sorted(self.seen.items()))
        return f"{self.tried} {self.what} in {self.seconds} s: {told}\n  ({seen})"
