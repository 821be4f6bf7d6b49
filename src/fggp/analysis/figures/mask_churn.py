"""Changes of masks: weights dropped and grown at each recorded update, and ever active."""

from __future__ import annotations

from pandas import DataFrame

from fggp.analysis.catalogue import figure
from fggp.analysis.collect.runs_csv import DENSE
from fggp.analysis.figures.captions import (
    WINDOW,
    called,
    clauses,
    everyone,
    seen,
    squeezed,
    unrecorded,
)
from fggp.analysis.figures.drawing import curves
from fggp.analysis.figures.label_groups import SHARED, alike, spotlight
from fggp.analysis.figures.layout import Drawn, blank, head, legend, over_epochs, places
from fggp.analysis.study_tables import Material

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "seed", "update", "step", "x", "kept",
    "dropped", "grown", "dropped_percent", "grown_percent", "jaccard", "explored_percent",
]  # fmt: skip
ROWS = {
    "dropped_percent": "dropped\n(% of active)",
    "grown_percent": "grown\n(% of active)",
    "jaccard": "Jaccard to\nprevious mask",
    "explored_percent": "ever active\n(% of all)",
}


@figure("Diagnostics", place=3)
def mask_churn(material: Material) -> Drawn:
    """Weights dropped, grown and ever active at mask updates, and similarity of successive masks.

    The changes at each recorded mask update, at the highest sparsity of the study: weights dropped
    (share of those active before), weights grown (share of those active after), the Jaccard index
    of the masks before and after (active in both, divided by active in either), and the share of
    all prunable weights that were ever active. Thick lines with markers are means over seeds, and
    thin lines are single seeds; the number of seeds n is given below. Labels with equal numbers
    throughout share a line. The pruning window is shaded.

    Returns:
        The figure, and a row per training and recorded update. Results that are older than this
        record are left out.

    """
    chosen = material.sparsest
    moved = material.joined(material.updates, chosen[chosen["label"] != DENSE])
    data = _shares(moved[moved["dropped"].notna()])
    if data.empty:
        known = "were recorded before mask changes were" if len(moved) else "update no mask"
        return blank(f"all results at the highest sparsity {known}", COLUMNS)
    figure, grid = over_epochs(material, data, list(ROWS.values()), 1.05)
    groups = alike(data, list(ROWS))
    merged = material.looks | {first: SHARED for first, others in groups.items() if others}
    drawn = data[data["label"].isin(groups)]
    every, shown = spotlight(drawn, "x", "jaccard", merged)
    for column, (_, facet) in enumerate(places(drawn)):
        for row, quantity in enumerate(ROWS):
            curves(grid[row, column], facet, "x", quantity, every)
    for axes in grid[:2, 0]:
        axes.set_ylim(0, max(1, axes.get_ylim()[1]))  # no growth at all must not set the scale
    legend(figure, shown, called(groups, material.names))
    silent = unrecorded(moved[moved["dropped"].isna()], "mask changes")
    head(
        figure,
        material.title,
        clauses(seen(data, ["x"]), WINDOW, silent) + squeezed(material, list(every)),
        everyone(groups, material.names),
    )
    return figure, data


def _shares(moved: DataFrame) -> DataFrame:
    before = moved["kept"] - moved["grown"] + moved["dropped"]
    return moved.assign(
        dropped_percent=100 * moved["dropped"] / before.clip(lower=1),
        grown_percent=100 * moved["grown"] / moved["kept"].clip(lower=1),
        explored_percent=100 * moved["explored_share"],
    )[COLUMNS]
