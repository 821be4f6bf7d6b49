"""A cell is named in one way, whoever builds the name or takes it apart."""

from fractions import Fraction

import pytest
from fabricate import grid

from fggp.study.cell_name import FOLDER, PATTERN, CellName, Level, sparsity_level, start_level
from fggp.study.config import cells


def test_the_name_of_every_cell_is_its_id_and_fills_the_pattern_of_the_workflow() -> None:
    for cell in cells(grid(sparsities=["0.995", 0.9])):
        assert str(cell.name) == cell.id
        assert PATTERN.format(**cell.name._asdict()) == cell.id
        assert cell.id.rpartition("/")[0] == FOLDER.format(**cell.name._asdict())


def test_a_name_says_shares_in_percent() -> None:
    assert str(CellName("vgg19", "98", "50", "fggp", "1")) == "vgg19/s98/i50/fggp/seed1"


@pytest.mark.parametrize(
    ("level", "text", "words"),
    [
        (sparsity_level(Fraction(199, 200)), "s99.5", "99.5 %"),
        (sparsity_level(Fraction(9, 10)), "s90", "90 %"),
        (start_level(Fraction(1, 2)), "i50", "50 % start"),
        (start_level(Fraction(0)), "i0", "dense start"),
        (Level("backbone", "vgg19"), "vgg19", "vgg19"),
        (Level("backbone", "s2net"), "s2net", "s2net"),
        (Level("backbone", "i3d"), "i3d", "i3d"),
        (Level("backbone", "s4-tiny"), "s4-tiny", "s4-tiny"),
    ],
)
def test_a_level_is_written_and_read_back(level: Level, text: str, words: str) -> None:
    assert str(level) == text
    assert Level.parse(text) == level
    assert level.words == words


def test_a_method_of_one_start_has_any() -> None:
    assert str(start_level(None)) == "iany"
    assert Level.parse("iany") == start_level(None)
