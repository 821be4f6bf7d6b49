"""Average ranks: the seed-averaged accuracy of the last epoch, ranked inside each setting.

Ranks compare sums of correct test images over the same seeds, which are integers, so that a tie is
a tie. The dense reference never ranks.
"""

from __future__ import annotations

import pandas as pd
from pandas import DataFrame, Series

from fggp.analysis.frames import DENSE, is_partial
from fggp.results import ResultError

COLUMNS = {
    "label": "str",
    "average_rank": "float64",
    "wins": "Int64",
    "settings": "Int64",
    "seeds": "Int64",
    "accuracy_percent": "float64",
    "gap_to_dense_points": "float64",
}
"""Columns of a ranking: 1 is the best rank; ``wins`` counts the settings ranked best, shared ones
for each who shares; accuracies are means over settings and seeds, the gap paired by seed."""

REFERENCE = "dense (reference)"


def ranking(runs: DataFrame) -> DataFrame:
    """Rank the methods with both starts over backbone, sparsity and initial sparsity.

    Takes ``runs.csv`` as `fggp.analysis.frames.read_runs` returns it. Only seeds that all labels
    have in all settings count, and only settings where all labels have them.

    Returns:
        A row per label, sorted by average rank and label, with columns `COLUMNS`; last the dense
        reference over the same backbones and seeds. No row where fewer than two labels rank.

    Raises:
        ResultError: naming what is missing, unless ``runs`` is marked partial.

    """
    chosen = runs[runs["ranks"] & (runs["starts"] == "both")]
    return _ranked(
        chosen.assign(entry=chosen["label"]), ["backbone", "sparsity", "initial_sparsity"], runs
    )


def ranking_all(runs: DataFrame) -> DataFrame:
    """Rank every method over backbone and sparsity, one with both starts entering once per start.

    As `ranking`, but ``settings`` counts pairs of backbone and sparsity, and labels read like
    "fggp, dense start".
    """
    chosen = runs[runs["ranks"]]
    both = chosen["label"] + ", " + chosen["start"]
    entry = chosen["label"].where(chosen["starts"] == "one", both)
    return _ranked(chosen.assign(entry=entry), ["backbone", "sparsity"], runs)


def _ranked(chosen: DataFrame, blocks: list[str], runs: DataFrame) -> DataFrame:
    if chosen["entry"].nunique() < 2:
        return _table([])
    wide = chosen.set_index([*blocks, "seed", "entry"])["correct_last"].unstack("entry")
    counts = _complete(wide, blocks, strict=not is_partial(runs))
    if counts.empty:
        return _table([])
    sums = counts.groupby(level=blocks).sum()
    images = int(runs["test_images"].iloc[0])
    dense = _dense(runs, counts)
    shared = {"settings": len(sums), "seeds": counts.index.get_level_values("seed").nunique()}
    measured = {
        "average_rank": sums.rank(axis=1, ascending=False, method="average").mean(),
        "wins": sums.eq(sums.max(axis=1), axis=0).sum(),
        "accuracy_percent": counts.mean() / images * 100,
        "gap_to_dense_points": counts.sub(dense, axis=0).mean(skipna=False) / images * 100,
    }
    rows = [
        {"label": label} | {name: values[label] for name, values in measured.items()} | shared
        for label in counts.columns
    ]
    rows.sort(key=lambda row: (row["average_rank"], row["label"]))
    if dense.notna().all():
        mean = float(dense.mean()) / images * 100
        rows.append({"label": REFERENCE, "accuracy_percent": mean} | shared)
    return _table(rows)


def _complete(wide: DataFrame, blocks: list[str], *, strict: bool) -> DataFrame:
    """Return the rows (block, seed) of the largest grid that holds every label throughout."""
    levels = [*blocks, "seed"]
    if strict:
        _refuse_gaps(wide, levels)
    complete = wide.dropna()
    number = complete.groupby(level=blocks).ngroups
    common = complete.groupby(level="seed").size() == number
    return complete[common.reindex(complete.index.get_level_values("seed")).to_numpy(dtype=bool)]


def _refuse_gaps(wide: DataFrame, levels: list[str]) -> None:
    present = wide.index.to_frame(index=False)
    settings = present[levels[:-1]].drop_duplicates()
    seeds = present[["seed"]].drop_duplicates()
    full = pd.MultiIndex.from_frame(settings.merge(seeds, how="cross"))
    cells = wide.reindex(full).isna()
    gaps = [(*row, label) for label in cells for row in cells.index[cells[label]]]
    if gaps:
        named = [
            f"{gap[-1]} at "
            + ", ".join(f"{name} {value}" for name, value in zip(levels, gap[:-1], strict=True))
            for gap in gaps[:3]
        ]
        raise ResultError(
            f"the ranking misses {len(gaps)} results ({'; '.join(named)}); train them, "
            "or aggregate the study with --partial"
        )


def _dense(runs: DataFrame, counts: DataFrame) -> Series[float]:
    """Return the dense count of each row's backbone and seed, NaN where there is none."""
    reference = runs[runs["label"] == DENSE].set_index(["backbone", "seed"])["correct_last"]
    pairs = zip(
        counts.index.get_level_values("backbone"),
        counts.index.get_level_values("seed"),
        strict=True,
    )
    known = reference.to_dict()
    return pd.Series([known.get(pair) for pair in pairs], index=counts.index, dtype="float64")


def _table(rows: list[dict[str, object]]) -> DataFrame:
    return DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
