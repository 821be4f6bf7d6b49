"""The name of a cell, which is also the path of its files: ``vgg19/s98/i50/fggp/seed1``."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal, NamedTuple

from fggp.foundation.exact import percent

ANY = "any"
"""The start of a method that has only one."""
FOLDER = "{backbone}/s{sparsity}/i{start}/{label}"
"""The folder of the seeds of a cell; the workflow uses the same names as wildcards."""
PATTERN = FOLDER + "/seed{seed}"

Kind = Literal["backbone", "sparsity", "start"]
LEVEL = re.compile(r"([si])([0-9]+(?:\.[0-9]+)?|any)")


class CellName(NamedTuple):
    """The parts of a name as text: "98" is a sparsity of 98 %.

    They can also be the wildcards of a workflow rule.
    """

    backbone: str
    sparsity: str
    start: str
    label: str
    seed: str

    def __str__(self) -> str:
        return PATTERN.format(**self._asdict())


class Level(NamedTuple):
    """One level of a setting: its kind, and its value as in a name: "vgg19", "98" or "any"."""

    kind: Kind
    value: str

    def __str__(self) -> str:
        sign = {"backbone": "", "sparsity": "s", "start": "i"}[self.kind]
        return f"{sign}{self.value}"

    @property
    def words(self) -> str:
        """The level in words, as a column heading."""
        if self.kind == "backbone":
            return self.value
        if self.kind == "sparsity":
            return f"{self.value} %"
        return "dense start" if self.value == "0" else f"{self.value} % start"

    @classmethod
    def parse(cls, text: str) -> Level:
        """Return the level for a part of a name, such as "vgg19" or "s98"."""
        found = LEVEL.fullmatch(text)
        if found is None:
            return cls("backbone", text)
        return cls("sparsity" if found[1] == "s" else "start", found[2])


def sparsity_level(share: Fraction) -> Level:
    """Return the level of a sparsity: 49/50 is "s98"."""
    return Level("sparsity", percent(share))


def start_level(share: Fraction | None) -> Level:
    """Return the level of an initial sparsity: 1/2 is "i50", and None is "iany"."""
    return Level("start", ANY if share is None else percent(share))
