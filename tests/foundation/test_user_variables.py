"""The environment variables for users: one list, in the help, with an error for a wrong value."""

import re
from pathlib import Path

import pytest

from fggp.cli import main
from fggp.foundation.errors import Failure
from fggp.foundation.user_variables import GRAPHS, VARIABLES, enabled, value_of

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("value", ["", "yes", "1", "On", "TRUE"])
def test_a_switch_is_on_with_these_words(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GRAPHS, value)
    assert enabled(GRAPHS)


@pytest.mark.parametrize("value", ["no", "0", "False", " off "])
def test_a_switch_is_off_with_these_words(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GRAPHS, value)
    assert not enabled(GRAPHS)


def test_a_switch_that_is_not_set_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GRAPHS, raising=False)
    assert enabled(GRAPHS)


def test_another_word_for_a_switch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GRAPHS, "never")
    with pytest.raises(Failure, match=r"^FGGP_GRAPHS=never is neither yes nor no$"):
        enabled(GRAPHS)


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_variable_has_its_default(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GRAPHS, value)
    assert value_of(GRAPHS, "auto") == "auto"


def test_the_help_lists_every_variable_and_pages_use_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    helped = capsys.readouterr().out
    assert all(f"  {name} " in helped for name in VARIABLES)
    pages = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    assert set(re.findall("FGGP_[A-Z]+", pages)) <= set(VARIABLES)
