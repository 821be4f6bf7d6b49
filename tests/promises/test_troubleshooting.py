"""The messages in docs/troubleshooting.md are those that the programs print."""

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import slurm_answers

import fggp

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
QUOTED = re.findall(r"^> (.+)$", PAGE, re.MULTILINE)

GAP = "…"


def templates(folder: Path) -> Iterator[str]:
    """Return all texts in the source below a folder, with … for the parts that are filled in."""
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (
                    it.value if isinstance(it, ast.Constant) else GAP  # type: ignore[misc]
                    for it in node.values
                )
                yield "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


@pytest.fixture(scope="module")
def printed() -> str:
    """The messages of fggp, Snakemake and Slurm, one on each line."""
    found = importlib.util.find_spec("snakemake")
    assert found is not None
    assert found.origin is not None
    folders = (Path(fggp.__file__).parent, Path(found.origin).parent)
    texts = [" ".join(text.split()) for folder in folders for text in templates(folder)]
    recorded = [it for it in vars(slurm_answers).values() if isinstance(it, str)]
    return "\n".join([*texts, *recorded])


def test_the_page_quotes_many_messages_each_once() -> None:
    assert len(QUOTED) > 25
    assert len(set(QUOTED)) == len(QUOTED)


@pytest.mark.parametrize("quoted", QUOTED)
def test_every_message_that_is_quoted_is_one_that_is_printed(quoted: str, printed: str) -> None:
    assert quoted in printed


@pytest.mark.parametrize("quoted", QUOTED)
def test_every_message_says_enough_to_be_found(quoted: str) -> None:
    assert len(quoted.replace(GAP, "").strip(" :;(),")) >= 8


def test_what_follows_a_quotation_says_why_and_what_to_do() -> None:
    blocks = re.split(r"^(?:> .+\n\n)+", PAGE, flags=re.MULTILINE)[1:]
    assert len(blocks) > 25
    assert not [block for block in blocks if len(block.split("##")[0].split()) < 10]
