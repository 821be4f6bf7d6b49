"""The reference method against each rival: how much better, how sure, and how sure it could be."""

from __future__ import annotations

from typing import Any

from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.pairs import NO_STARTS, STARTS, Pair, nothing, pairs
from fggp.analysis.plan import Plan, default_plan
from fggp.analysis.stats.paired import (
    Estimate,
    holm,
    on_the_grid,
    over_settings,
    practical,
    smallest_p,
    wilcoxon,
)
from fggp.analysis.tables.formats import (
    Column,
    Row,
    Table,
    interval,
    missing,
    number,
    remarks,
    text,
)
from fggp.foundation.quantities import count

COLUMNS = {
    "blocks": "str",
    "reference": "str",
    "rival": "str",
    "settings": "Int64",
    "seeds": "Int64",
    "difference_points": "float64",
    "grid_low": "float64",
    "grid_high": "float64",
    "grid_p": "float64",
    "over_settings_low": "float64",
    "over_settings_high": "float64",
    "over_settings_p": "float64",
    "wilcoxon_p": "float64",
    "smallest_p": "float64",
    "wilcoxon_p_holm": "float64",
    "smallest_p_holm": "float64",
    "wins": "Int64",
    "ties": "Int64",
    "losses": "Int64",
    "run_wins_share": "float64",
    "p_better": "float64",
    "p_equivalent": "float64",
    "p_worse": "float64",
    "note": "str",
}
"""Columns of the comparisons, all as the reference sees them: the mean difference, reference minus
rival, with its interval on this fixed grid (``grid_…``, E1 of `fggp.analysis.stats.paired`) and
over the settings as a sample (``over_settings_…``, E2); Wilcoxon's exact p over the settings,
adjusted by Holm over the rivals of the same ``blocks``, each beside the smallest value that so many
settings allow; settings won, tied and lost; the share of paired runs won, a tie counting half; and
the chances that the mean over the grid is above, within and below the region of equivalence."""


def comparisons(runs: DataFrame, plan: Plan | None = None) -> DataFrame:
    """Compare the reference with each rival over the grid.

    Takes ``runs.csv`` as `fggp.analysis.collect.runs_csv.read_runs` returns it. Returns a row per
    rival (and start, see `pairs`) with columns `COLUMNS`, the closest rival first; none where the
    reference is not in the study or has no rival.

    Raises:
        ResultError: naming what is missing, unless ``runs`` is marked partial.

    """
    plan = plan or default_plan()
    rows: list[dict[str, Any]] = []
    found = pairs(runs, plan)
    for blocks in (STARTS, NO_STARTS):
        family = [_row(pair, plan) for pair in found if pair.blocks == blocks]
        adjusted = holm([row["wilcoxon_p"] for row in family])
        for row, p in zip(family, adjusted, strict=True):
            row["wilcoxon_p_holm"] = p
            row["smallest_p_holm"] = smallest_p(row["untied"], len(family))
            row["note"] = _remark(row, plan)
        rows += sorted(family, key=lambda row: (row["difference_points"], row["rival"]))
    return DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


@table("comparisons", "Results", place=4)
def comparisons_table(runs: DataFrame, plan: Plan) -> Table:
    """The reference method against each rival over the grid: difference, intervals, tests, wins.

    The mean difference in points has its t interval of level 1 - alpha on this grid (noise of
    seeds, variance pooled over settings) and over the settings as a sample. Wilcoxon's exact test
    over settings has Holm's adjustment over the rivals, each p beside the smallest that so many
    settings allow; ``settings`` and ``seeds`` (n) are the numbers behind.
    """
    data = comparisons(runs, plan)
    form = "+.2f"
    columns = [
        *([text("method", "reference")] if data["reference"].nunique() > 1 else []),
        text("rival", "rival"),
        number("difference (points)", "difference_points", form),
        interval(f"{plan.confidence} on this grid", "grid_low", "grid_high", form),
        interval(
            f"{plan.confidence} over settings", "over_settings_low", "over_settings_high", form
        ),
        Column("won/tied/lost", lambda row: f"{row['wins']}/{row['ties']}/{row['losses']}"),
        _beside("Wilcoxon p (smallest)", "wilcoxon_p", "smallest_p"),
        _beside("Holm p (smallest)", "wilcoxon_p_holm", "smallest_p_holm"),
        number("runs won", "run_wins_share", ".0%"),
        Column("better/equal/worse", _chances),
        *remarks(data),
    ]
    return Table(data, columns, _note(data, plan))


def _row(pair: Pair, plan: Plan) -> dict[str, Any]:
    images, differences = pair.images, pair.differences
    sums = images.sum(axis=1)
    grid, settings = on_the_grid(differences, plan.alpha), over_settings(differences, plan.alpha)
    better, equivalent, worse = practical(differences, plan.rope)
    untied = int((sums != 0).sum())
    return {
        "blocks": pair.blocks,
        "reference": pair.reference,
        "rival": pair.rival,
        "settings": len(sums),
        "seeds": images.shape[1],
        "difference_points": grid.mean,
        **_named("grid", grid),
        **_named("over_settings", settings),
        "wilcoxon_p": wilcoxon(sums),
        "smallest_p": smallest_p(untied),
        "wins": int((sums > 0).sum()),
        "ties": int((sums == 0).sum()),
        "losses": int((sums < 0).sum()),
        "run_wins_share": float(((images > 0) + 0.5 * (images == 0)).mean()),
        "p_better": better,
        "p_equivalent": equivalent,
        "p_worse": worse,
        "untied": untied,
    }


def _named(name: str, found: Estimate) -> dict[str, float]:
    return {f"{name}_low": found.low, f"{name}_high": found.high, f"{name}_p": found.p}


def _remark(row: Row, plan: Plan) -> str:
    parts = []
    if missing(row["grid_low"]):
        why = "1 seed" if row["seeds"] < 2 else "no spread between seeds"
        parts.append(f"interval on this grid not computable: {why}")
    if missing(row["over_settings_low"]):
        why = "1 setting" if row["settings"] < 2 else "no spread between settings"
        parts.append(f"interval over settings not computable: {why}")
    if row["smallest_p_holm"] >= plan.alpha:
        parts.append(
            f"{count(row['untied'], 'untied setting')} cannot give a Holm p below {plan.alpha:g}"
        )
    return "; ".join(parts)


def _beside(head: str, key: str, smallest: str) -> Column:
    return Column(head, lambda row: f"{row[key]:.2g} ({row[smallest]:.2g})")


def _chances(row: Row) -> str:
    chances = [row[f"p_{name}"] for name in ("better", "equivalent", "worse")]
    return "-" if missing(chances[0]) else "/".join(f"{it:.2f}" for it in chances)


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
        "on this grid takes the noise from seeds (variance pooled over settings), the one over "
        "settings takes the settings for a sample, which they are not quite: backbones, data and "
        "dense starts are shared, so that it and Wilcoxon's test over settings describe the grid. "
        "Wilcoxon's p is exact and two-sided, ties between methods dropped, Holm over the rivals "
        "on the same settings; in brackets the smallest p that the settings allow. Runs won: share "
        "of paired runs, ties counting half. Better/equal/worse: chances that the mean over the "
        f"grid is above, within or below {plan.rope:g} points (t posterior of the first interval, "
        "flat prior)."
    )
