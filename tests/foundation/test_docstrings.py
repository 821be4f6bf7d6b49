"""A docstring comes apart into what it says first, its text, its formula and its arguments."""

from fggp.foundation.docstrings import Docstring, docstring


def told() -> None:
    """Say it.

    Formula:
        a = b
        c, under d

    First it says this
    and that.

    Args:
        one: what it is,
            over two lines.
        two: another: with a colon.

    Then it says more.
    """


def silent() -> None:
    pass


def test_every_part_is_found_wherever_it_stands() -> None:
    found = docstring(told)
    assert found.summary == "Say it."
    assert found.text == ("First it says this and that.", "Then it says more.")
    assert found.formula == ("a = b", "c, under d")
    assert found.arguments == {
        "one": "what it is, over two lines.",
        "two": "another: with a colon.",
    }


def test_what_is_not_there_is_empty() -> None:
    assert docstring(silent) == Docstring("", (), (), {})
