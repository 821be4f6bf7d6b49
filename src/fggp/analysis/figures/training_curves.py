"""Training curves: loss and test accuracy by epoch, and the pruning window."""

from __future__ import annotations

from fggp.analysis.catalogue import figure
from fggp.analysis.figures.captions import WINDOW, seen, squeezed
from fggp.analysis.figures.drawing import curves
from fggp.analysis.figures.label_groups import spotlight
from fggp.analysis.figures.layout import Drawn, blank, head, legend, over_epochs, places
from fggp.analysis.study_tables import Material

COLUMNS = [
    "backbone", "width", "start", "label", "sparsity", "seed", "epoch", "x", "train_loss",
    "test_accuracy_percent",
]  # fmt: skip
ROWS = {"train_loss": "training loss", "test_accuracy_percent": "test accuracy (%)"}


@figure("Diagnostics", place=4)
def training_curves(material: Material) -> Drawn:
    """Training loss and test accuracy by epoch, with the pruning window shaded.

    Curves at the highest sparsity of the study, and of the dense network (dashed grey). Thick lines
    with markers are means over seeds, and thin lines are single seeds; the number of seeds n is
    given below. With many labels, those that differ most from ``fggp`` are drawn in colour, the
    others in grey.

    Returns:
        The figure, and a row per training and epoch; ``x`` is its position on the axis (see
        `Material.joined`).

    """
    chosen = material.sparsest
    data = material.joined(material.epochs, chosen)
    if data.empty:
        return blank("no results of sparse networks yet", COLUMNS)
    images = int(material.runs["test_images"].iloc[0])
    data = data.assign(test_accuracy_percent=100 * data["test_correct"] / images)[COLUMNS]
    figure, grid = over_epochs(material, data, list(ROWS.values()), 1.5)
    every, shown = spotlight(data, "x", "test_accuracy_percent", material.looks)
    for column, (_, facet) in enumerate(places(data)):
        for row, quantity in enumerate(ROWS):
            curves(grid[row, column], facet, "x", quantity, every)
    legend(figure, shown, material.names)
    head(figure, material.title, f"{seen(data, ['x'])}; {WINDOW}" + squeezed(material, list(every)))
    return figure, data
