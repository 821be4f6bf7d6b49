"""The latencies of a study as rows: a network, a batch and a number of threads each."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pandas import DataFrame

from fggp.analysis.collect.rows import keys
from fggp.analysis.measured_cells import cells_behind, refuse_former
from fggp.study.latency_file import LATENCY, read_latency

CONTENDERS = (
    *("fggp", "fggp batched", "torch", "torch channels_last", "onnxruntime"),
    *("fggp shrunk", "torch shrunk"),
)
"""The ways of computing a network, as `fggp.fast.contenders` names them."""
ADVICE = "no latencies measured; run `fggp latency STUDY`"


def latencies(study_folder: Path | None) -> DataFrame:
    """Return a row per measured time of the cells of a study, in their order.

    The columns are those of `fggp.study.latency_file.Latency`, and those that identify a cell.
    Without a file there are no rows.

    Raises:
        ResultError: if the file is damaged, or has rows of other cells or of other trainings.

    """
    found = [] if study_folder is None else read_latency(study_folder / LATENCY)
    if not found or study_folder is None:
        return DataFrame()
    cells = cells_behind(study_folder / LATENCY, found, "latency")
    found.sort(key=lambda it: (cells[it.cell][0], it.batch, it.threads))
    rows = [keys(cells[it.cell][1]) | it.model_dump() for it in found]
    data = DataFrame(rows)
    # The checksum in a row is that of a file, which results do not record.
    refuse_former(
        study_folder / LATENCY, data, "latency", lambda both: both["measured"] < both["finished"]
    )
    data["place"] = pd.Categorical(data["contender"], CONTENDERS).codes
    return data
