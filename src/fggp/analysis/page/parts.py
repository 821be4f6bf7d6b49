"""Parts of a study: the settings of one backbone, one sparsity, one start, or of several of these.

Backbones, sparsities and starts have short keys: ``vgg19``, ``0.95``, ``0.5``; `ALL` is no choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas import DataFrame

from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.complete_grids import label_and_start
from fggp.analysis.tables.formats import Row, records
from fggp.foundation.exact import ratio
from fggp.foundation.quantities import percent
from fggp.study.cell_name import ANY, sparsity_level, start_level

ALL = ""


class Part(NamedTuple):
    """The choice of each kind."""

    backbone: str = ALL
    sparsity: str = ALL
    start: str = ALL

    @property
    def name(self) -> str:
        """The name in names of files, like that in paths of results: "vgg19-s95-i50"."""
        sparsity = str(sparsity_level(ratio(float(self.sparsity)))) if self.sparsity else ""
        return "-".join(filter(None, [self.backbone, sparsity, self._start]))

    @property
    def _start(self) -> str:
        if not self.start:
            return ""
        return str(start_level(None if self.start == ANY else ratio(float(self.start))))


class Place(NamedTuple):
    """The place of a row: a backbone, and the sparsities and starts whose parts it belongs to."""

    backbone: str
    sparsities: tuple[str, ...]
    starts: tuple[str, ...]

    def within(self, part: Part) -> bool:
        """Whether a row with this place belongs to a part."""
        return (
            part.backbone in (ALL, self.backbone)
            and part.sparsity in (ALL, *self.sparsities)
            and part.start in (ALL, *self.starts)
        )


@dataclass(frozen=True)
class Choices:
    """The backbones, sparsities and starts that have results, each with its words."""

    backbones: Mapping[str, str]
    sparsities: Mapping[str, str]
    starts: Mapping[str, str]

    @classmethod
    def of(cls, runs: DataFrame) -> Choices:
        """Return the choices that ``runs`` offers."""
        sparse = runs[runs["label"] != DENSE]
        starts = sparse.drop_duplicates("start").sort_values("initial_sparsity", kind="stable")
        return cls(
            {str(name): str(name) for name in sparse["backbone"].unique()},
            {_key(it): percent(it) for it in sorted(sparse["sparsity"].unique())},
            {_key(row["initial_sparsity"]): str(row["start"]) for row in records(starts)},
        )

    @property
    def by_kind(self) -> dict[str, Mapping[str, str]]:
        """The choices of each kind; empty without a second choice."""
        kinds = zip(Part._fields, (self.backbones, self.sparsities, self.starts), strict=True)
        return {kind: keys if len(keys) > 1 else {} for kind, keys in kinds}

    @property
    def parts(self) -> list[Part]:
        """All parts that can be chosen, the whole study first."""
        return [Part(*keys) for keys in product(*([ALL, *it] for it in self.by_kind.values()))]

    def words(self, part: Part) -> str:
        """Return a part in words: "vgg19, 95 %, dense start"."""
        words = [keys.get(key, "") for key, keys in zip(part, self.by_kind.values(), strict=True)]
        return ", ".join(filter(None, words)) or "all settings"

    def place(self, row: Row) -> Place:
        """Return the place of a row of a table with settings.

        The dense network belongs to every sparsity and, like methods with one start, to every
        start. A comparison without a start has that of either side: "fggp, dense start".
        """
        if row.get("label") == DENSE:
            return Place(str(row["backbone"]), tuple(self.sparsities), tuple(self.starts))
        starts = self._starts(row)
        return Place(str(row["backbone"]), (_key(row["sparsity"]),), starts or tuple(self.starts))

    def split(self, runs: DataFrame) -> dict[Part, DataFrame]:
        """Return the trainings of every part."""
        places = [self.place(row) for row in records(runs)]
        return {
            part: runs[np.array([place.within(part) for place in places], dtype=np.bool_)]
            for part in self.parts
        }

    def _starts(self, row: Row) -> tuple[str, ...]:
        sides = [label_and_start(str(row.get(side, "")))[1] for side in ("reference", "rival")]
        named = {row.get("start"), *sides}
        return tuple(key for key, words in self.starts.items() if words in named and key != ANY)


def _key(share: float) -> str:
    return ANY if pd.isna(share) else format(share, ".12g")
