"""Average ranks without one backbone or one setting: the robustness of the order of the methods."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.complete_grids import Counts, both_starts, name_of
from fggp.analysis.plan import Plan
from fggp.analysis.spreads import few_seeds
from fggp.analysis.tables.formats import Table, number, records, text
from fggp.foundation.quantities import count

COLUMNS = {"kind": "str", "left_out": "str", "settings": "Int64", "first": "str", "flips": "str"}
"""Columns: the part left out, the first place without it, and the pairs that change places relative
to the whole grid ("gmp before fggp"); then the average rank of each label, ``rank_fggp``."""

NOTHING = "nothing"


def leave_out(runs: DataFrame) -> DataFrame:
    """Rank the methods with both starts again without each backbone and without each setting.

    Takes the trainings that `fggp.analysis.compared_runs.compared` returns; the first row
    leaves nothing out. Raises ResultError as `fggp.analysis.tables.ranking.ranking` does.
    """
    counts = both_starts(runs)
    if counts is None:
        return DataFrame([], columns=list(COLUMNS)).astype(COLUMNS)
    whole = counts.ranks.mean(axis=0)
    rows: list[dict[str, Any]] = []
    for kind, name, kept in _parts(counts):
        average = counts.ranks[kept].mean(axis=0)
        rows.append(
            {
                "kind": kind,
                "left_out": name,
                "settings": int(kept.sum()),
                "first": ", ".join(_first(counts, average)),
                "flips": "; ".join(_flips(counts, whole, average)) or "none",
                **{f"rank_{it}": rank for it, rank in zip(counts.entries, average, strict=True)},
            }
        )
    return DataFrame(rows).astype(COLUMNS)


@table("leave_out", "Results", place=7)
def leave_out_table(runs: DataFrame, plan: Plan) -> Table:
    """Average ranks without one backbone or one setting, and which methods change places.

    Ranks of the accuracies averaged over seeds; each average rank is over ``settings`` settings
    (n).
    """
    data = leave_out(runs)
    ranks = {str(key).removeprefix("rank_"): str(key) for key in data if key not in COLUMNS}
    columns = [
        text("left out", "left_out"),
        number("settings left", "settings", "d"),
        *(number(label, key, ".2f") for label, key in ranks.items()),
        text("first place", "first"),
        text("changed places", "flips"),
    ]
    if data.empty:
        return Table(data, columns, "Nothing to rank: needs two methods in the same settings.")
    least = data[list(ranks.values())].min(axis=1)
    bold = {label: (data[key] <= least + 1e-9).to_list() for label, key in ranks.items()}
    bold["changed places"] = [flips != "none" for flips in data["flips"]]
    if few_seeds(runs, plan):
        bold = {}
    note = (
        "Average ranks of the methods with both starts without one backbone and without one "
        "setting; 1 is best. If methods change places relative to the whole grid, their order "
        "depends on what was left out."
    )
    if data["kind"].nunique() == 1:
        note += " With 1 setting there is nothing to leave out."
    return Table(data, columns, note, bold)


def verdict(table: DataFrame, kind: str) -> str:
    """Return in words how the order changes without each of a kind ("backbone", "setting")."""
    left = table[table["kind"] == kind]
    if left.empty:
        return f"not computable: 1 {kind}"
    first = table["first"].iloc[0]
    lost = left[left["first"] != first]
    flipped = int((left["flips"] != "none").sum())
    kept = f"first in the whole grid: {first}; "
    if lost.empty:
        kept += f"also without any {kind}"
    else:
        named = ", ".join(f"{row['left_out']}: {row['first']}" for row in records(lost.head(3)))
        more = ", …" if len(lost) > 3 else ""
        kept += f"not without {count(len(lost), kind)} of {len(left)} ({named}{more})"
    return f"{kept}; methods change places in {flipped} of {len(left)}"


def _parts(counts: Counts) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    settings = counts.settings
    everything = np.ones(len(settings), dtype=bool)
    yield NOTHING, NOTHING, everything
    backbones = list(settings["backbone"].unique())
    for backbone in backbones if len(backbones) > 1 else []:
        yield "backbone", str(backbone), (settings["backbone"] != backbone).to_numpy()
    for index, setting in enumerate(records(settings) if len(settings) > 1 else []):
        yield "setting", name_of(setting), np.arange(len(settings)) != index


def _first(counts: Counts, average: NDArray[np.float64]) -> list[str]:
    best = average <= average.min() + 1e-9
    return [entry for entry, first in zip(counts.entries, best, strict=True) if first]


def _flips(counts: Counts, whole: NDArray[np.float64], part: NDArray[np.float64]) -> list[str]:
    """Return the pairs with the opposite order in a part."""
    return [
        f"{counts.entries[b]} before {counts.entries[a]}"
        for a, b in permutations(range(len(counts.entries)), 2)
        if whole[a] < whole[b] - 1e-9 and part[b] < part[a] - 1e-9
    ]
