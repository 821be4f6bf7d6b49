"""All tests in the declared order, each with the smallest p that it could reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pandas import DataFrame

from fggp.analysis.catalogue import table
from fggp.analysis.pairs import grids, pairs
from fggp.analysis.plan import Plan, Step, default_plan
from fggp.analysis.tables.formats import (
    Column,
    Row,
    Table,
    interval,
    missing,
    p_value,
    remarks,
    shown,
    text,
)
from fggp.analysis.tables.tests_steps import (
    inside_settings,
    left_out,
    nemenyi,
    omnibus,
    pairing,
    rivals,
    sensitivity,
)
from fggp.foundation.quantities import count

PS = ("p", "p_adjusted", "smallest_p")
COLUMNS = {
    "step": "Int64",
    "test": "str",
    "blocks": "str",
    "compared": "str",
    "measure": "str",
    "value": "float64",
    "low": "float64",
    "high": "float64",
    "df": "str",
    "p": "float64",
    "p_adjusted": "float64",
    "smallest_p": "float64",
    "note": "str",
}
"""Columns: the place of the test in the plan, what ``value`` measures and its interval, p, the same
adjusted for its family, and the smallest p that the data allow (adjusted, if there is that)."""


def all_tests(runs: DataFrame, plan: Plan | None = None) -> DataFrame:
    """Run every test of the plan in its order.

    Takes the trainings that `fggp.analysis.compared_runs.compared` returns. Returns rows with
    columns `COLUMNS`; none if no two methods share a setting.

    Raises:
        ResultError: naming the missing results, unless ``runs`` is marked partial.

    """
    plan = plan or default_plan()
    seeds = {blocks: len(counts.seeds) for blocks, counts in grids(runs)}
    few = {blocks: it for blocks, it in seeds.items() if it < plan.interval_seeds}
    rows = [
        {"step": place, **(_values_only(row, few[it]) if (it := row["blocks"]) in few else row)}
        for place, step in enumerate(plan.order, start=1)
        for row in STEPS[step](runs, plan)
    ]
    return (
        DataFrame(rows, columns=list(COLUMNS))
        .astype(COLUMNS | {"note": "str"})
        .fillna({"note": ""})
    )


@table("tests", "Results", place=6)
def all_tests_table(runs: DataFrame, plan: Plan) -> Table:
    """Every test in the order of the declared plan, each with the smallest p that the data allow.

    Friedman and Iman-Davenport, Wilcoxon, Nemenyi, paired t, mixed model, correlation of paired
    seeds. ``low`` to ``high`` is the interval of level 1 - alpha if a test has one (t of paired
    differences, Wald for the mixed model). Tests that cannot be computed for lack of settings or
    seeds n have a note.
    """
    data = all_tests(runs, plan)
    columns = [
        Column("step", lambda row: str(row["step"])),
        text("test", "test"),
        text("compared", "compared"),
        text("measure", "measure"),
        Column("value", lambda row: shown(round(row["value"], 9) + 0.0, ".4g")),
        interval(f"{plan.confidence} interval", "low", "high", "+.2f"),
        text("df", "df"),
        p_value("p", "p"),
        p_value("adjusted p", "p_adjusted"),
        p_value("smallest p", "smallest_p"),
        *remarks(data),
    ]
    if data.empty:
        return Table(data, columns, "Nothing to compare: no two methods share a setting.")
    note = _note(plan)
    if not pairs(runs, plan):
        note += f" There is no rival of the reference method {plan.reference} in this study."
    return Table(data, columns, note)


STEPS: dict[Step, Callable[[DataFrame, Plan], Iterator[Row]]] = {
    "omnibus": omnibus,
    "rivals": rivals,
    "critical-difference": nemenyi,
    "per-setting": inside_settings,
    "pairing": pairing,
    "sensitivity": sensitivity,
    "leave-out": left_out,
}


def _values_only(row: Row, seeds: int) -> Row:
    """Return a row without interval and p, for too few seeds."""
    lost = {key for key in ("low", "high", *PS) if not missing(row.get(key))}
    kept = {key: value for key, value in row.items() if key not in lost}
    return kept | ({"note": f"no interval and no p: {count(seeds, 'seed')}"} if lost else {})


def _note(plan: Plan) -> str:
    return (
        "All tests, in the order of the plan; the primary one is Wilcoxon's over settings."
        " Settings are the blocks; they share backbones, data and "
        "dense starts, so tests over them describe this grid. Smallest p: the least that data can "
        "reach, after adjustment if there is one; a larger p of a test that cannot reach "
        f"{plan.alpha:g} is no evidence. Nemenyi's p, and that of ratios of sds "
        "(of differences between paired runs), are adjusted for all pairs. The mixed model has "
        "fixed effects of method and setting, random effects of setting and seed and of setting "
        "and method, and one variance for all settings: a check, not a verdict. If a "
        f"check of one spread for every backbone, sparsity or start has p below {plan.alpha:g}, "
        "all intervals of that pair inside settings and over the grid take a variance per setting."
    )
