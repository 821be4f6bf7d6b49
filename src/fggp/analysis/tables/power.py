"""The smallest difference that a grid can detect: before training, and from its measured spread."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.pairs import Pair, nothing, pairs
from fggp.analysis.plan import Plan
from fggp.analysis.spreads import SPREADS, Noise
from fggp.analysis.stats.paired import Numbers, number_needed, pooled, smallest_p
from fggp.analysis.stats.power import LARGEST, LEVELS, Grid, smallest_differences
from fggp.analysis.tables.fields import Field, frame, of_pair, visible
from fggp.analysis.tables.formats import (
    Column,
    Row,
    Table,
    missing,
    number,
    remarks,
    shown,
    text,
)
from fggp.foundation.quantities import count


def planning_table(grid: Grid, alpha: float, power: float) -> Table:
    """Return `smallest_differences` as a table, with the smallest p of tests of ranks."""
    data = smallest_differences(grid, alpha, power)
    columns = [
        Column("question", lambda row: LEVELS[row["level"]], left=True),
        number("df", "df", "d"),
        number("smallest difference", "difference", ".2f"),
        Column("after Holm", _after_holm),
    ]
    note = (
        f"Smallest difference, in points, that a two-sided t test at level {alpha:g} detects with "
        f"{power:.0%} power: "
        f"{count(grid.seeds, 'seed')}, {count(grid.settings, 'setting')}, "
        f"{count(grid.rivals, 'rival')}, sd {grid.sd:g} of "
        "the difference between paired runs (two methods of sd s whose runs correlate by r: s "
        f"times √(2(1 - r))), and {grid.interaction:g} of the true difference between "
        "settings. After Holm: the worst case for that many comparisons. Tests of ranks or signs: "
        f"inside a setting p is at least {smallest_p(grid.seeds):.2g}, and below {alpha:g} takes "
        f"{number_needed(alpha)} seeds, {number_needed(alpha, grid.settings)} after Holm; over "
        f"the settings Wilcoxon's p is at least {smallest_p(grid.settings):.2g}, after Holm "
        f"{smallest_p(grid.settings, grid.rivals):.2g}."
    )
    if data[["difference", "difference_holm"]].isna().any(axis=None):
        note += (
            f" Not shown (-): above {LARGEST:g} points, the largest possible difference, or "
            "without degrees of freedom."
        )
    return Table(data, columns, note)


def study_power(runs: DataFrame, plan: Plan) -> DataFrame:
    """Return the smallest differences that a study detects, a row per rival with columns `FIELDS`.

    Takes the trainings that `fggp.analysis.compared_runs.compared` returns.
    """
    found = pairs(runs, plan)
    families = {it.blocks: sum(other.blocks == it.blocks for other in found) for it in found}
    return frame(FIELDS, (Measured(pair, families[pair.blocks], plan) for pair in found))


@table("power", "Results", place=8)
def study_power_table(runs: DataFrame, plan: Plan) -> Table:
    """The smallest differences that the study detects with the declared power, from its own spread.

    The smallest true differences, in points, that a two-sided test at alpha finds with the power of
    the declared plan, from the spread that the study measured between its ``seeds`` (n) and
    ``settings``: inside one setting, over this grid, and over settings as a sample; ``…_holm`` is
    after Holm's adjustment in the worst case.
    """
    data = study_power(runs, plan)
    columns = [*visible(FIELDS), *remarks(data)]
    if data["reference"].nunique() > 1:
        columns.insert(0, text("method", "reference"))
    if data.empty:
        return Table(data, columns, nothing(plan))
    settings, seeds = data["settings"].max(), data["seeds"].max()
    note = (
        f"Smallest differences, in points, that this study detects at level {plan.alpha:g} with "
        f"{plan.power:.0%} power, n = {count(int(seeds), 'seed')} in "
        f"{count(int(settings), 'setting')}; in brackets after Holm "
        "in the worst case: over the settings for one setting, over the rivals for a mean. Based "
        "on the measured sd of differences between paired runs (root mean square over settings), "
        f"and that of the true difference between settings. For the mean over this grid {SPREADS}"
    )
    return Table(data, columns, note)


@dataclass(frozen=True)
class Measured:
    """The subject of a row: a pair, one of ``rivals`` on the same settings."""

    pair: Pair
    rivals: int
    plan: Plan

    @cached_property
    def sd(self) -> float:
        """The sd of the difference between paired runs, pooled over settings, in points."""
        return pooled(list(self.pair.differences)).sd

    @cached_property
    def noise(self) -> Noise:
        """The noise of seeds, with a spread for all settings or one for each."""
        return self.pair.noise(self.plan)

    @cached_property
    def interaction(self) -> float:
        """The sd of the true difference between settings, in points."""
        return _interaction(self.pair.differences, self.sd)

    @cached_property
    def smallest(self) -> DataFrame:
        """The smallest differences by level, as `smallest_differences` returns them."""
        settings, seeds = self.pair.differences.shape
        sd = self.sd if self.noise.known else np.nan
        df = self.noise.spread.df if self.noise.own else None
        grid = Grid(sd, seeds, settings, self.rivals, self.interaction, df)
        return smallest_differences(grid, self.plan.alpha, self.plan.power).set_index("level")

    @property
    def note(self) -> str:
        """The reason why a difference cannot be computed, if there is one."""
        settings, seeds = self.pair.differences.shape
        if not self.noise.known:
            return f"not computable: {count(seeds, 'seed')}"
        notes = [] if self.sd > 0 else ["no spread between seeds"]
        notes += ["1 setting"] if settings < 2 else []
        parts = [f"not computable: {', '.join(notes)}"] if notes else []
        if self.noise.own:
            parts.append("no pooled variance: the settings differ in their spread")
        levels = self.smallest[self.smallest["df"] > 0]
        if not notes and levels[["difference", "difference_holm"]].isna().any(axis=None):
            parts.append(f"-: above {LARGEST:g} points")
        return "; ".join(parts)


def _interaction(differences: Numbers, sd: float) -> float:
    """Return the sd between the settings beyond the noise of their means; NaN with one setting."""
    settings, seeds = differences.shape
    if settings < 2:
        return np.nan
    variance = float(differences.mean(axis=1).var(ddof=1)) - sd**2 / seeds
    return np.nan if np.isnan(variance) else float(np.sqrt(max(0.0, variance)))


def _of_level(level: str) -> tuple[Field[Measured], Field[Measured]]:
    """Return the column of a level, and that after Holm, which is shown in brackets."""

    def both(row: Row) -> str:
        if missing(row[level]):
            return "-"
        return f"{shown(row[level], '.2f')} ({shown(row[f'{level}_holm'], '.2f')})"

    meaning = "the smallest difference that is found, in points"
    return (
        Field(level, "float64", meaning, lambda it: it.smallest.loc[level, "difference"],
              LEVELS[level], cell=both),
        Field(f"{level}_holm", "float64", "the same after Holm in the worst case",
              lambda it: it.smallest.loc[level, "difference_holm"]),
    )  # fmt: skip


FIELDS: tuple[Field[Measured], ...] = (
    *of_pair(Measured),
    Field("sd", "float64", "of the difference between paired runs, pooled over settings",
          lambda it: it.sd, "sd", ".3f"),
    Field("interaction_sd", "float64", "of the true difference between settings, in points",
          lambda it: it.interaction, "sd between settings", ".3f"),
    *(field for level in LEVELS for field in _of_level(level)),
    Field("note", "str", "values that cannot be computed, and why", lambda it: it.note),
)  # fmt: skip
"""The columns of the table of power."""


def _after_holm(row: Row) -> str:
    if missing(row["difference_holm"]):
        return "-"
    return f"{shown(row['difference_holm'], '.2f')} ({count(row['family'], 'comparison')})"
