"""Every table and figure has its declaration, and is found by listing its folder."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from fggp.analysis import catalogue
from fggp.analysis.catalogue import FIGURES, TABLES, Declaration, by_head, declared

ALL = [*FIGURES.values(), *TABLES.values()]
FIGURE = '''"""A file."""

from fggp.analysis.catalogue import figure


@figure("{under}")
def {name}(material):
    """Shows ``fggp``.

    The number of seeds n
    is above.

    Returns:
        A figure, and no data.

    """
'''


@pytest.mark.parametrize("it", ALL, ids=lambda it: it.name)
def test_every_declaration_has_words_for_readers_and_a_caption_that_names_its_numbers(
    it: Declaration,
) -> None:
    assert it.docstring.summary.endswith(".")
    assert "`" not in it.alt
    assert it.docstring.text, "a caption is more than its first line"
    assert re.search(r"\bn\b|seed|number", it.caption)
    assert "Returns:" not in it.caption


@pytest.mark.parametrize("it", FIGURES.values(), ids=lambda it: it.name)
def test_a_figure_is_a_file_and_a_function_of_its_name(it: Declaration) -> None:
    assert it.name == it.module == it.function
    assert callable(getattr(import_module(f"fggp.analysis.figures.{it.module}"), it.name))


@pytest.mark.parametrize("it", TABLES.values(), ids=lambda it: it.name)
def test_a_table_is_a_function_of_the_file_that_declares_it(it: Declaration) -> None:
    assert callable(getattr(import_module(f"fggp.analysis.tables.{it.module}"), it.function))


def test_no_two_figures_say_the_same() -> None:
    assert len({it.alt for it in FIGURES.values()}) == len(FIGURES)
    assert len({it.caption for it in FIGURES.values()}) == len(FIGURES)


def test_declarations_are_found_by_listing_a_folder(tmp_path: Path) -> None:
    (tmp_path / "second.py").write_text(FIGURE.format(name="second", under="Results"))
    (tmp_path / "first.py").write_text(FIGURE.format(name="first", under="Results"))
    (tmp_path / "last.py").write_text(FIGURE.format(name="last", under="Provenance"))
    (tmp_path / "drawing.py").write_text("def figure() -> None:\n    pass\n")
    found = declared(tmp_path, "figure")
    assert list(found) == ["first", "second", "last"]
    assert {head: [it.name for it in those] for head, those in by_head(found).items()} == {
        "Results": ["first", "second"],
        "Provenance": ["last"],
    }
    first = found["first"]
    assert (first.alt, first.entry) == ("Shows fggp.", "Shows `fggp`")
    assert first.caption == "Shows ``fggp``.\n\nThe number of seeds n is above."


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    for file in ("one.py", "other.py"):
        (tmp_path / file).write_text(FIGURE.format(name="same", under="Results"))
    with pytest.raises(ValueError, match="declared twice: same"):
        declared(tmp_path, "figure")


def test_the_catalogue_lists_the_folders_of_the_package() -> None:
    assert declared(catalogue.HERE / "figures", "figure") == FIGURES
    assert len(FIGURES) >= 15
    assert len(TABLES) >= 11
