"""Complete grids: every label in every setting with every seed, or a refusal that names the gaps.

Seeds pair across methods, and settings are the blocks of every test. Therefore nothing may be
paired by the order of its rows, and nothing may be missing silently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, MultiIndex

from fggp.analysis.collect.runs_csv import DENSE, is_partial
from fggp.foundation.errors import ResultError
from fggp.foundation.quantities import percent

SETTING = ["backbone", "sparsity", "initial_sparsity"]
FAMILIES = {"both": SETTING, "one": SETTING[:2], "none": SETTING[:1]}
"""The columns of a setting for labels with both starts, with one start, and without sparsity."""


@dataclass(frozen=True)
class Counts:
    """Correct test images of a complete grid.

    Attributes:
        correct: settings × seeds × entries.
        settings: a row per setting with its columns, ``start`` in words among them.
        seeds: in ascending order.
        entries: the labels compared, or labels with their start.
        labels: the label of each entry.
        starts: "both" or "one" of each entry's method.
        images: test images behind every count.
        dense: settings × seeds, correct images of the dense reference, NaN if there is none.

    """

    correct: NDArray[np.int64]
    settings: DataFrame
    seeds: tuple[int, ...]
    entries: tuple[str, ...]
    labels: dict[str, str]
    starts: dict[str, str]
    images: int
    dense: NDArray[np.float64]

    @property
    def points(self) -> float:
        """The points of accuracy that one image represents."""
        return 100 / self.images

    @cached_property
    def sums(self) -> NDArray[np.int64]:
        """Correct images over all seeds: settings × entries; integers, so that ties are exact."""
        sums: NDArray[np.int64] = self.correct.sum(axis=1)
        return sums

    @cached_property
    def ranks(self) -> NDArray[np.float64]:
        """Ranks inside each setting, settings × entries: 1 is best, ties share their average."""
        return ranked(self.sums)

    def entry(self, name: str) -> NDArray[np.int64]:
        """Return the counts of one entry, settings × seeds."""
        return self.correct[:, :, self.entries.index(name)]


def ranked(sums: NDArray[np.int64]) -> NDArray[np.float64]:
    """Rank the last axis: 1 is the largest, ties share their average."""
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = rankdata(-sums, method="average", axis=-1)
    return ranks


def both_starts(runs: DataFrame) -> Counts | None:
    """Return the labels with both starts over backbone, sparsity and initial sparsity.

    Takes the trainings that `fggp.analysis.compared_runs.compared` returns; dense and other
    references are left out.

    Returns:
        The counts, or None if fewer than two labels rank, or ``runs`` is marked partial and lacks
        results.

    Raises:
        ResultError: naming missing results, unless ``runs`` is marked partial, and duplicates.

    """
    chosen = runs[runs["ranks"] & (runs["starts"] == "both")]
    return _complete(chosen.assign(entry=chosen["label"]), SETTING, runs)


def label_and_start(entry: str) -> tuple[str, str]:
    """Return the label of an entry and its start, which is empty for an entry of both starts."""
    label, _, start = entry.partition(", ")
    return label, start


def all_entries(runs: DataFrame) -> Counts | None:
    """Return every label over backbone and sparsity, one with both starts once per start.

    As `both_starts`, but entries read like "fggp, dense start".
    """
    chosen = runs[runs["ranks"]]
    both = chosen["label"] + ", " + chosen["start"]
    entry = chosen["label"].where(chosen["starts"] == "one", both)
    return _complete(chosen.assign(entry=entry), SETTING[:2], runs)


def name_of(setting: Mapping[str, Any]) -> str:
    """Return a setting in words: "vgg19, 90 %, dense start"."""
    parts = [str(setting["backbone"]), percent(setting["sparsity"])]
    return ", ".join([*parts, str(setting["start"])] if "start" in setting else parts)


def refuse_gaps(chosen: DataFrame, by: Sequence[str], runs: DataFrame, what: str) -> None:
    """Raise ResultError if an ``entry`` lacks a setting (of ``by``) or a seed of ``runs``."""
    if gaps := _gaps(chosen, by, runs):
        levels = [*by, "seed"]
        named = [
            f"{gap[-1]} at "
            + ", ".join(f"{name} {value}" for name, value in zip(levels, gap[:-1], strict=True))
            for gap in gaps[:3]
        ]
        raise ResultError(
            f"the {what} lacks {len(gaps)} results ({'; '.join(named)}); train them, "
            "or aggregate the study with --partial"
        )


def _gaps(chosen: DataFrame, by: Sequence[str], runs: DataFrame) -> list[tuple[Any, ...]]:
    """Return the missing results, each the values of ``by``, a seed and an entry."""
    wide = _wide(chosen, [*by, "seed"])
    settings = wide.index.to_frame(index=False)[list(by)].drop_duplicates()
    full = settings.merge(runs[["seed"]].drop_duplicates().sort_values("seed"), how="cross")
    cells = wide.reindex(MultiIndex.from_frame(full)).isna()
    return [(*row, entry) for entry in cells for row in cells.index[cells[entry]]]


def _complete(chosen: DataFrame, by: list[str], runs: DataFrame) -> Counts | None:
    """Return the counts of every entry in every setting, if none is missing."""
    if chosen["entry"].nunique() < 2:
        return None
    if not is_partial(runs):
        refuse_gaps(chosen, by, runs, "ranking")
    elif _gaps(chosen, by, runs):
        return None
    wide = _wide(chosen, [*by, "seed"]).sort_index().sort_index(axis="columns")
    seeds = sorted(wide.index.get_level_values("seed").unique())
    settings = wide.index.to_frame(index=False)[by].drop_duplicates(ignore_index=True)
    shape = (len(settings), len(seeds), len(wide.columns))
    return Counts(
        correct=wide.to_numpy(dtype=np.int64).reshape(shape),
        settings=_with_start(settings, chosen),
        seeds=tuple(int(seed) for seed in seeds),
        entries=tuple(wide.columns),
        labels=_facts(chosen, "label"),
        starts=_facts(chosen, "starts"),
        images=one_number_of_images(runs),
        dense=_dense(runs, settings, seeds),
    )


def one_number_of_images(runs: DataFrame) -> int:
    """Return the number of test images; raises ResultError if runs disagree."""
    numbers = sorted(runs["test_images"].unique())
    if len(numbers) != 1:
        raise ResultError(f"the numbers of test images differ: {', '.join(map(str, numbers))}")
    return int(numbers[0])


def _wide(chosen: DataFrame, levels: list[str]) -> DataFrame:
    keys = [*levels, "entry"]
    twice = chosen[chosen.duplicated(keys)]
    if not twice.empty:
        raise ResultError(
            f"runs.csv has {len(twice)} duplicate results (first: {twice.iloc[0]['entry']}, seed "
            f"{twice.iloc[0]['seed']}); aggregate the study again"
        )
    return chosen.set_index(keys)["correct_last"].unstack("entry")


def _facts(chosen: DataFrame, column: str) -> dict[str, str]:
    return dict(zip(chosen["entry"], chosen[column], strict=True))


def _with_start(settings: DataFrame, chosen: DataFrame) -> DataFrame:
    if "initial_sparsity" not in settings:
        return settings
    words = chosen.drop_duplicates("initial_sparsity").set_index("initial_sparsity")["start"]
    return settings.assign(start=settings["initial_sparsity"].map(words))


def _dense(runs: DataFrame, settings: DataFrame, seeds: list[int]) -> NDArray[np.float64]:
    reference = runs[runs["label"] == DENSE].set_index(["backbone", "seed"])["correct_last"]
    known = reference.to_dict()
    rows = [[known.get((name, seed), np.nan) for seed in seeds] for name in settings["backbone"]]
    return np.array(rows, dtype=np.float64)
