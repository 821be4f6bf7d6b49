"""``power``: the smallest difference that a grid can detect, before it is trained."""

from __future__ import annotations

import argparse
from typing import Any

from fggp.cli.arguments import not_negative, positive, positive_count, share
from fggp.cli.verbs import verb


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "power",
        do,
        "print the smallest differences that a grid of settings and seeds can detect",
        "fggp power --sd 0.2 --seeds 5\n"
        "  (with the spread that a study measured: fggp table power demo)",
    )
    parser.add_argument(
        "--sd",
        type=positive,
        required=True,
        help="standard deviation, over seeds, of the paired difference between two methods, in "
        "points; two methods with sd s whose runs have correlation r give s·√(2(1 - r))",
    )
    parser.add_argument(
        "--seeds", type=positive_count, required=True, help="seeds per setting and method"
    )
    parser.add_argument(
        "--settings", type=positive_count, default=12, help="number of settings (default: 12)"
    )
    parser.add_argument(
        "--rivals",
        type=positive_count,
        default=4,
        help="comparisons that Holm adjusts for (default: 4)",
    )
    parser.add_argument(
        "--interaction",
        type=not_negative,
        default=0.0,
        metavar="SD",
        help="standard deviation of the true difference between settings, in points (default: 0)",
    )
    parser.add_argument(
        "--alpha", type=share, help="significance level of each test (default: the plan's)"
    )


def do(options: argparse.Namespace) -> int:
    """Print the smallest differences of a grid."""
    from fggp.analysis.plan import read_plan
    from fggp.analysis.stats.power import Grid
    from fggp.analysis.tables.formats import markdown
    from fggp.analysis.tables.power import planning_table

    plan, _ = read_plan()
    grid = Grid(options.sd, options.seeds, options.settings, options.rivals, options.interaction)
    table = planning_table(grid, options.alpha or plan.alpha, plan.power)
    print(markdown(table, table.note, []), end="")
    return 0
