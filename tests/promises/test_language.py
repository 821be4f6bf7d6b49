"""Texts for people avoid the phrases of ``phrases.yaml``; codespell knows the single words."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DECLARED: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "phrases.yaml").read_text())
PHRASES: list[dict[str, Any]] = DECLARED["phrases"]


def texts() -> Iterator[tuple[str, str]]:
    for path in sorted({path for pattern in DECLARED["files"] for path in ROOT.glob(pattern)}):
        if path.is_file() and path.suffix not in {".png", ".pdf", ".json"}:
            yield str(path.relative_to(ROOT)), path.read_text()


TEXTS = dict(texts())


def found(phrase: str, text: str) -> list[str]:
    """Return the lines in which a phrase begins; it may continue on the next line."""
    joined = re.sub(r"[ \t]*\n[ \t]*(?:# ?|> )?", " \n", text)
    spaced = phrase.replace(" ", r"\s+")
    return [
        f"line {joined.count(chr(10), 0, it.start()) + 1}: {it[0]!r}"
        for it in re.finditer(spaced, joined)
    ]


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda it: it["use"])
def test_no_text_uses_an_avoided_phrase(phrase: dict[str, Any]) -> None:
    wrong = [
        f"{name}, {line}"
        for name, text in TEXTS.items()
        if name not in phrase.get("except", [])
        for line in found(phrase["find"], text)
    ]
    assert wrong == [], f"write instead: {phrase['use']}"


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda it: it["use"])
def test_every_exception_is_needed(phrase: dict[str, Any]) -> None:
    listed = phrase.get("except", [])
    assert [name for name in listed if not found(phrase["find"], TEXTS.get(name, ""))] == []


def test_the_list_covers_every_kind_of_text() -> None:
    needed = {"README.md", "docs/cluster.md", "docs/templates/results.md.j2", "Makefile"}
    assert needed | {"src/fggp/pruning/pruner.py", "config/demo.yaml"} <= set(TEXTS)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("It waits for ever.", 1),
        ("It waits for\n    ever.", 1),
        ("# It waits for\n# ever.", 1),
        ("It waits forever.", 0),
    ],
)
def test_a_phrase_is_found_across_lines(text: str, lines: int) -> None:
    assert len(found(r"\bfor ever\b", text)) == lines
