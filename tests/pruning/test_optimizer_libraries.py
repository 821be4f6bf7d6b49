"""The optimizers of torch and of other libraries do what docs/optimizers.md has of them."""

import importlib.util
import re
from pathlib import Path

import pytest
from optimizer_trials import LIBRARIES, SHOWN, rows

PAGE = Path(__file__).parents[2] / "docs" / "optimizers.md"


def section(library: str) -> list[tuple[str, str]]:
    """The names and outcomes in the page's table of a library."""
    (text,) = re.findall(rf"## {library}\n(.*?)(?:\n## |\Z)", PAGE.read_text(), re.DOTALL)
    return re.findall(r"^\| (\w+) \| (\w+) \|", text, re.MULTILINE)[1:]


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_optimizer_of_a_library_does_what_the_page_has(library: str) -> None:
    name = LIBRARIES[library].partition(".")[0]
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{library} is not installed here; make test-optimizers installs it")
    found = [(optimizer, outcome) for optimizer, outcome, _ in rows(library)]
    assert found == section(library)
    assert {outcome for _, outcome in found} <= set(SHOWN)
    assert sum(outcome == "followed" for _, outcome in found) >= 3
