"""The parts of a docstring: its first line, its text, its formula, its arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

HEADING = re.compile(r"^(Args|Attributes|Formula|Returns|Raises):$")


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts.

    Attributes:
        summary: the first line.
        text: the paragraphs outside all sections, each on one line.
        formula: the lines of the section "Formula", empty if there is none.
        arguments: the text of each entry in the section "Args" or "Attributes", on one line.

    """

    summary: str
    text: tuple[str, ...]
    formula: tuple[str, ...]
    arguments: dict[str, str]


def docstring(documented: Any) -> Docstring:
    """Return the parts of the docstring of a function or class; empty ones if it has none."""
    return parse(inspect.getdoc(documented) or "")


def parse(text: str) -> Docstring:
    """Return the parts of a docstring, given without its indentation."""
    paragraphs: list[str] = []
    sections: dict[str, list[str]] = {"Args": [], "Attributes": [], "Formula": []}
    for block in _blocks(text.splitlines()):
        found = HEADING.match(block[0])
        if found:
            sections[found[1]] = block[1:]
        else:
            paragraphs.append(" ".join(block))
    summary, *rest = paragraphs or [""]
    arguments = dict(_arguments(sections["Args"])) | dict(_arguments(sections["Attributes"]))
    return Docstring(
        summary, tuple(rest), tuple(line.strip() for line in sections["Formula"]), arguments
    )


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yield paragraphs and whole sections."""
    block: list[str] = []
    for line in [*lines, ""]:
        if line:
            block.append(line)
        elif block:
            yield block
            block = []


def _arguments(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield names with their descriptions; deeper lines continue the one above."""
    if not lines:
        return
    indent = len(lines[0]) - len(lines[0].lstrip())
    said: list[str] = []
    for line in lines:
        if line[indent] == " ":
            said[-1] += f" {line.strip()}"
        else:
            said.append(line.strip())
    for entry in said:
        name, _, meaning = entry.partition(": ")
        yield name, meaning
