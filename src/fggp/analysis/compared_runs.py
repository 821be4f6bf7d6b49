"""The trainings that an analysis compares: of an incomplete study, its largest complete part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, NamedTuple

from pandas import DataFrame, MultiIndex, Series

from fggp.analysis.collect.runs_csv import is_partial
from fggp.analysis.complete_grids import FAMILIES
from fggp.analysis.plan import Plan
from fggp.foundation.quantities import count

MOST_SEEDS = 12
"""Every combination of at most this many seeds is tried."""

Setting = tuple[Any, ...]


class Grid(NamedTuple):
    """Settings and seeds; each setting has a result of every label with each of these seeds."""

    by: list[str]
    settings: list[Setting]
    seeds: tuple[int, ...]

    def rows(self) -> DataFrame:
        """Return a row per setting and seed."""
        found = [(*setting, seed) for setting in self.settings for seed in self.seeds]
        return DataFrame(found, columns=[*self.by, "seed"])


def compared(runs: DataFrame, plan: Plan) -> DataFrame:
    """Return the trainings that tables and figures compare.

    Takes ``runs.csv`` as `fggp.analysis.collect.runs_csv.read_runs` returns it. All trainings of a
    complete study are compared. Of a partial one, only settings and seeds with a result of every
    label are, so that every mean, rank and test is over the same seeds. Of several such grids, one
    with enough seeds for intervals (``plan.interval_seeds``) is preferred, then the one with most
    settings × seeds. With more than `MOST_SEEDS` seeds, only combinations of the most frequent ones
    are tried. Accuracies do not affect the choice. If there is no such grid, all trainings are
    returned.
    """
    grid = None if runs.empty or not is_partial(runs) else _largest(runs, plan)
    return runs if grid is None else _within(runs, grid)


def coverage(runs: DataFrame, plan: Plan, labels: Iterable[str] = ()) -> str:
    """Return in a sentence which part of a partial study is compared; empty for a complete one.

    ``labels`` are those that the study should have; those without any result are named.
    """
    if runs.empty or not is_partial(runs):
        return ""
    grid = _largest(runs, plan)
    if grid is None:
        return "Nothing can be compared yet: no setting has a result of every label."
    left_out = len(runs) - len(_within(runs, grid))
    others = (
        f", and leaves {count(left_out, 'other result')} out"
        if left_out
        else "; these are all results so far"
    )
    backbones = ", ".join(dict.fromkeys(str(setting[0]) for setting in grid.settings))
    none = [label for label in labels if label not in set(runs["label"])]
    but = f" but {', '.join(none)}" if none else ""
    word = "seed" if len(grid.seeds) == 1 else "seeds"
    return (
        f"The comparison uses the {count(len(grid.settings), 'setting')} ({backbones}) with {word} "
        f"{', '.join(map(str, grid.seeds))} that have a result of every label{but}{others}."
    )


def _largest(runs: DataFrame, plan: Plan) -> Grid | None:
    """Return the grid that `compared` prefers; None if no setting is complete with any seed."""
    by, blocks = _complete_blocks(runs)
    own: dict[Setting, frozenset[int]] = {
        tuple(key): frozenset(part["seed"]) for key, part in blocks.groupby(by)
    }

    def grid(seeds: frozenset[int]) -> Grid:
        settings = [setting for setting, there in own.items() if seeds <= there]
        return Grid(by, settings, tuple(sorted(map(int, seeds))))

    def size(grid: Grid) -> tuple[bool, int, int, list[int]]:
        seeds = len(grid.seeds)
        blocks = seeds * len(grid.settings)
        return seeds >= plan.interval_seeds, blocks, seeds, [-seed for seed in grid.seeds]

    found = [it for it in map(grid, _candidates(own.values())) if it.settings]
    return max(found, key=size, default=None)


def _candidates(own: Any) -> Iterator[frozenset[int]]:
    """Yield sets of seeds: those of each setting, and all of the seeds that most settings have."""
    sets = list(own)
    yield from sets
    seeds = sorted(set().union(*sets), key=lambda seed: (-sum(seed in it for it in sets), seed))
    for number in range(1, min(len(seeds), MOST_SEEDS) + 1):
        yield from map(frozenset, combinations(seeds[:MOST_SEEDS], number))


def _complete_blocks(runs: DataFrame) -> tuple[list[str], DataFrame]:
    """Return the columns of a setting, and the settings and seeds with a result of every label."""
    finest = next(starts for starts in FAMILIES if (runs["starts"] == starts).any())
    by = FAMILIES[finest]
    blocks = runs.loc[runs["starts"] == finest, [*by, "seed"]].drop_duplicates()
    for levels, family in _families(runs):
        labels = family.groupby(levels)["label"].nunique()
        whole = labels[labels == family["label"].nunique()].reset_index()[levels]
        blocks = blocks.merge(whole, on=levels)
    return by, blocks


def _within(runs: DataFrame, grid: Grid) -> DataFrame:
    """Return the trainings that belong to a grid, in their order."""
    rows, keep = grid.rows(), Series(data=False, index=runs.index)
    for levels, family in _families(runs):
        inside = MultiIndex.from_frame(family[levels]).isin(MultiIndex.from_frame(rows[levels]))
        keep[family.index[inside]] = True
    return runs[keep]


def _families(runs: DataFrame) -> Iterator[tuple[list[str], DataFrame]]:
    """Yield the labels with as many starts that have trainings, and the columns of their blocks."""
    for starts, by in FAMILIES.items():
        family = runs[runs["starts"] == starts]
        if not family.empty:
            yield [*by, "seed"], family
