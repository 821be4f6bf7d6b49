"""The reference method against each rival: differences, intervals and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.pairs import NO_STARTS, STARTS, Pair, nothing, pairs
from fggp.analysis.plan import Plan, default_plan
from fggp.analysis.spreads import SPREADS, Noise, possible
from fggp.analysis.stats.paired import (
    Estimate,
    estimate,
    holm,
    on_the_grid,
    over_settings,
    practical,
    smallest_p,
    wilcoxon,
)
from fggp.analysis.stats.power import LARGEST
from fggp.analysis.tables.fields import Field, between, frame, of_pair, visible
from fggp.analysis.tables.formats import Row, Table, missing, remarks, text
from fggp.foundation.quantities import count


def comparisons(runs: DataFrame, plan: Plan | None = None) -> DataFrame:
    """Compare the reference with each rival over the grid.

    Takes the trainings that `fggp.analysis.compared_runs.compared` returns. Returns a row per
    rival (and start, see `pairs`) with columns `FIELDS`, the closest rival first; none if the
    reference is not in the study or has no rival.

    Raises:
        ResultError: naming the missing results, unless ``runs`` is marked partial.

    """
    plan = plan or default_plan()
    found, compared = pairs(runs, plan), list[Compared]()
    for blocks in (STARTS, NO_STARTS):
        family = [pair for pair in found if pair.blocks == blocks]
        images = [pair.images.sum(axis=1) for pair in family]
        adjusted = holm([wilcoxon(it) for it in images])
        # Rivals may have different numbers of ties, and Holm compares their p with one another.
        smallest = holm([smallest_p(int((it != 0).sum())) for it in images])
        rows = [Compared(*it) for it in zip(family, repeat(plan), adjusted, smallest)]
        compared += sorted(rows, key=lambda row: (row.grid.mean, row.pair.rival))
    return frame(FIELDS, compared)


@table("comparisons", "Results", place=4)
def comparisons_table(runs: DataFrame, plan: Plan) -> Table:
    """The reference method against each rival over the grid: difference, intervals, tests, wins.

    The mean difference in points has a t interval of level 1 - alpha on this grid (noise of seeds,
    ``spread`` pooled over settings, or per setting if the plan's check rejects one spread) and one
    over the settings as a sample. Wilcoxon's exact test over settings is adjusted by Holm over the
    rivals, and each p-value is shown with the smallest that the settings allow; ``settings`` and
    ``seeds`` (n) are the numbers of settings and seeds.
    """
    data = comparisons(runs, plan)
    columns = visible(FIELDS, level=plan.confidence)
    if data["reference"].nunique() > 1:
        columns.insert(0, text("method", "reference"))
    return Table(data, [*columns, *remarks(data)], _note(data, plan))


class Ranks(NamedTuple):
    """The p of Wilcoxon's test, before and after Holm, each with the smallest possible one."""

    p: float
    smallest: float
    holm: float
    smallest_holm: float


@dataclass(frozen=True)
class Compared:
    """The subject of a row: a pair, and its Wilcoxon p after Holm with the smallest possible."""

    pair: Pair
    plan: Plan
    adjusted_p: float
    smallest_adjusted_p: float

    @cached_property
    def noise(self) -> Noise:
        """The noise of seeds."""
        return self.pair.noise(self.plan)

    @cached_property
    def grid(self) -> Estimate:
        """The mean difference on this fixed grid (E1 of `fggp.analysis.stats.paired`)."""
        found = on_the_grid(self.pair.differences, self.plan.alpha, self.noise.spread)
        return possible(found)

    @cached_property
    def over(self) -> Estimate:
        """The same over the settings as a sample (E2)."""
        found = over_settings(self.pair.differences, self.plan.alpha)
        return self._with_seeds(possible(found))

    @cached_property
    def chances(self) -> tuple[float, float, float]:
        """The chances that the mean is above, within and below the region of equivalence."""
        return practical(self.pair.differences, self.plan.rope, self.noise.spread)

    @property
    def wilcoxon_ps(self) -> Ranks:
        """The p of Wilcoxon's test and the smallest possible ones; NaN with too few seeds."""
        if not self.noise.known:
            return Ranks(np.nan, np.nan, np.nan, np.nan)
        return Ranks(
            wilcoxon(self.images),
            smallest_p(self.untied),
            self.adjusted_p,
            self.smallest_adjusted_p,
        )

    @cached_property
    def images(self) -> NDArray[np.int64]:
        """The surplus of correct images over the rival, by setting, over all seeds."""
        sums: NDArray[np.int64] = self.pair.images.sum(axis=1)
        return sums

    @property
    def untied(self) -> int:
        """The number of settings that are not ties."""
        return int((self.images != 0).sum())

    @property
    def note(self) -> str:
        """Values that cannot be computed or shown, with the reason."""
        settings, seeds = self.pair.images.shape
        if not self.noise.known:
            return f"no interval and no p: {count(seeds, 'seed')}"
        parts = []
        if missing(self.grid.low):
            parts.append("interval on this grid not computable: no spread between seeds")
        if max(map(abs, (*self.grid, *self.over))) == LARGEST:
            parts.append(f"intervals end at {LARGEST:g} points, the largest possible difference")
        if missing(self.over.low):
            why = "1 setting" if settings < 2 else "no spread between settings"
            parts.append(f"interval over settings not computable: {why}")
        if self.smallest_adjusted_p >= self.plan.alpha:
            settings_there = count(self.untied, "untied setting")
            parts.append(f"{settings_there} cannot give a Holm p below {self.plan.alpha:g}")
        return "; ".join(parts)

    def _with_seeds(self, found: Estimate) -> Estimate:
        """Return an estimate, without an interval if there are too few seeds."""
        return found if self.noise.known else estimate(found.mean, np.nan, 0, self.plan.alpha)


def _beside(key: str, smallest: str) -> Callable[[Row], str]:
    def both(row: Row) -> str:
        return "-" if missing(row[key]) else f"{row[key]:.2g} ({row[smallest]:.2g})"

    return both


def _record(row: Row) -> str:
    return f"{row['wins']}/{row['ties']}/{row['losses']}"


def _chances(row: Row) -> str:
    chances = [row[f"p_{name}"] for name in ("better", "equivalent", "worse")]
    return "-" if missing(chances[0]) else "/".join(f"{it:.2f}" for it in chances)


FIELDS: tuple[Field[Compared], ...] = (
    *of_pair(Compared),
    Field("difference_points", "float64", "mean difference, reference minus rival, in points",
          lambda it: it.grid.mean, "difference (points)", "+.2f"),
    Field("grid_low", "float64", "its interval on this grid, from the noise of seeds",
          lambda it: it.grid.low, "{level} on this grid",
          cell=between("grid_low", "grid_high", "+.2f")),
    Field("grid_high", "float64", "the upper end", lambda it: it.grid.high),
    Field("grid_p", "float64", "its p", lambda it: it.grid.p),
    Field("grid_df", "float64", "its degrees of freedom",
          lambda it: it.noise.spread.df if it.noise.known else np.nan),
    Field("spread", "str", "its variance: pooled over settings, or per setting (Satterthwaite)",
          lambda it: it.noise.word, "spread"),
    Field("over_settings_low", "float64", "its interval with the settings as a sample",
          lambda it: it.over.low, "{level} over settings",
          cell=between("over_settings_low", "over_settings_high", "+.2f")),
    Field("over_settings_high", "float64", "the upper end", lambda it: it.over.high),
    Field("over_settings_p", "float64", "its p", lambda it: it.over.p),
    Field("wilcoxon_p", "float64", "Wilcoxon's exact p over the settings",
          lambda it: it.wilcoxon_ps.p, "Wilcoxon p (smallest)",
          cell=_beside("wilcoxon_p", "smallest_p"), place=1),
    Field("smallest_p", "float64", "the smallest that the settings allow",
          lambda it: it.wilcoxon_ps.smallest),
    Field("wilcoxon_p_holm", "float64", "adjusted by Holm over the rivals of the same blocks",
          lambda it: it.wilcoxon_ps.holm, "Holm p (smallest)",
          cell=_beside("wilcoxon_p_holm", "smallest_p_holm"), place=1),
    Field("smallest_p_holm", "float64", "the smallest that the settings allow after that",
          lambda it: it.wilcoxon_ps.smallest_holm),
    Field("wins", "Int64", "settings won", lambda it: int((it.images > 0).sum()),
          "won/tied/lost", cell=_record),
    Field("ties", "Int64", "settings with equal numbers of correct images",
          lambda it: int((it.images == 0).sum())),
    Field("losses", "Int64", "settings lost", lambda it: int((it.images < 0).sum())),
    Field("run_wins_share", "float64", "share of paired runs won, a tie counting half",
          lambda it: float(((it.pair.images > 0) + 0.5 * (it.pair.images == 0)).mean()),
          "runs won", ".0%", place=1),
    Field("p_better", "float64", "chance that the mean is above the region of equivalence",
          lambda it: it.chances[0], "better/equal/worse", cell=_chances, place=1),
    Field("p_equivalent", "float64", "chance that it is within", lambda it: it.chances[1]),
    Field("p_worse", "float64", "chance that it is below", lambda it: it.chances[2]),
    Field("note", "str", "values that cannot be computed or shown, and why", lambda it: it.note),
)  # fmt: skip
"""The columns of the comparisons, all from the view of the reference."""


def _note(data: DataFrame, plan: Plan) -> str:
    if data.empty:
        return nothing(plan)
    seeds = count(int(data["seeds"].max()), "seed")
    grids = " and ".join(
        f"{count(int(part['settings'].max()), 'setting')} of "
        + ("backbone, sparsity and start" if blocks == STARTS else "backbone and sparsity")
        for blocks, part in data.groupby("blocks", sort=False)
    )
    return (
        f"{plan.reference} minus each rival, mean over {grids}, n = {seeds} paired. The interval "
        f"on this grid uses the noise of seeds; {SPREADS} The interval over "
        "settings treats the settings as a sample, which is only roughly true: backbones, data and "
        "dense starts are shared, so it and Wilcoxon's test over settings describe this grid. "
        "Wilcoxon's p is exact and two-sided, ties between methods dropped, Holm over the rivals "
        "on the same settings; the smallest p that the settings allow is in brackets. Runs won: "
        "share of paired runs, ties counting half. Better/equal/worse: chances that the mean over "
        f"the grid is above, within or below {plan.rope:g} points (t posterior of the first "
        "interval, flat prior)."
    )
