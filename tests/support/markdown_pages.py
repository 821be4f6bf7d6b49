"""Reads the pages: their blocks, their commands, their links and what can be linked to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
LINKED = ("*.md", "*/*.md", "benchmarks/**/*.md", "results/reference/*/*.md")
EXECUTED = (
    *("README.md", "CONTRIBUTING.md", "docs/*.md", "config/README.md", "figures/README.md"),
    *("examples/*.md", "benchmarks/README.md"),
)
LISTED = ROOT / "tests/docs/blocks.yaml"
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def pages(*patterns: str) -> list[str]:
    """Return the pages that match, as paths from the top of the repository."""
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    ours = (path.relative_to(ROOT) for path in found)
    return sorted(str(path) for path in ours if not path.parts[0].startswith("."))


@dataclass(frozen=True)
class Block:
    """A fenced block with its language."""

    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The commands of a shell: continued lines are one, comments at the end are left out."""
        lines = self.text.replace("\\\n", " ").splitlines()
        bare = (re.sub(r"(^|\s+)#\s.*$", "", line).strip() for line in lines)
        return [" ".join(line.split()) for line in bare if line]


def blocks(text: str, language: str | None = None) -> list[Block]:
    """Return the fenced blocks of a page, of one language or all."""
    found = [Block(match[1], match[2]) for match in FENCE.finditer(text)]
    return [block for block in found if language in (None, block.language)]


@dataclass(frozen=True)
class Check:
    """The check of a command that is not run literally."""

    kind: str
    why: str


@dataclass(frozen=True)
class Listed:
    """The entry of a page in ``blocks.yaml``: checks of its commands, and the reader's files."""

    commands: dict[str, Check]
    given: str = ""


def listed() -> dict[str, Listed]:
    """Return what ``blocks.yaml`` says, by page."""
    content = yaml.safe_load(LISTED.read_text())
    return {
        page: Listed(
            {command: Check(**check) for command, check in (it.get("commands") or {}).items()},
            it.get("given", ""),
        )
        for page, it in content.items()
    }


def links(text: str) -> Iterator[str]:
    """Yield where the links and pictures of a page lead, code left out."""
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))
    yield from (match[1] for match in re.finditer(r"\]\(<?([^)\s>]+)>?[^)]*\)", prose))
    yield from (match[1] for match in re.finditer(r"^\[[^\]]+\]: (\S+)", prose, re.MULTILINE))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page as GitHub makes them from its headings."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
