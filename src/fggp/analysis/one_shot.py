"""The one-shot accuracies of a study as rows: a dense network and a sparsity each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pandas import DataFrame

from fggp.analysis.collect.rows import keys
from fggp.analysis.measured_cells import cells_behind, refuse_former
from fggp.study.essential_file import ESSENTIAL, knee, read_essential

ADVICE = "no one-shot accuracy was measured; run `fggp essential STUDY`"


def one_shot(study_folder: Path | None) -> DataFrame:
    """Return a row per dense network and sparsity, in the order of the cells.

    The columns are those of `fggp.study.essential_file.Essential`, those that identify a cell
    without its sparsity, and ``accuracy_percent``. Without a file there are no rows.

    Raises:
        ResultError: if the file is damaged, or has rows of other cells or of other trainings.

    """
    found = [] if study_folder is None else read_essential(study_folder / ESSENTIAL)
    if not found or study_folder is None:
        return DataFrame()
    cells = cells_behind(study_folder / ESSENTIAL, found, "essential")
    found.sort(key=lambda it: (cells[it.cell][0], it.sparsity))
    data = DataFrame([keys(cells[it.cell][1]) | it.model_dump() for it in found])
    refuse_former(
        study_folder / ESSENTIAL,
        data,
        "essential",
        lambda both: both["weights_sha256"] != both["trained_sha256"],
    )
    return data.assign(
        width=[float(cells[it.cell][1].backbone.width) for it in found],
        accuracy_percent=(100 * data["correct"] / data["images"]).round(10),
    )


def bend(part: DataFrame) -> dict[str, Any]:
    """Return the row of the knee of one network, see `fggp.study.essential_file.knee`."""
    at = knee(part["correct"].tolist(), int(part["images"].iloc[0]))
    return dict(part.iloc[at])
