"""Collect result files into the tables of a study; nothing is averaged or omitted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pandas import DataFrame, array

from fggp.analysis.collect.consistency import check, collect
from fggp.analysis.collect.rows import (
    EPOCHS,
    LAYERS,
    MACS,
    UPDATES,
    Row,
    epoch_rows,
    layer_rows,
    ranked_pattern,
    run_row,
    update_rows,
)
from fggp.analysis.collect.runs_csv import RUNS
from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.study.essential_file import ESSENTIAL
from fggp.study.latency_file import LATENCY
from fggp.study.stored_results import StoredResult
from fggp.study.study_folder import CELLS, read_expected, study_name
from fggp.study.study_folder import RUNS as RUNS_FOLDER

COUNTS = (*MACS, "macs", "dropped", "grown")
"""Integers that older results lack; without their own type they would become floats."""


def aggregate(
    study_folder: Path,
    into: Path | None = None,
    *,
    partial: bool = False,
    allow_mixed_device: bool = False,
) -> list[Path]:
    """Write ``runs.csv``, ``epochs.csv``, ``layers.csv`` and ``updates.csv`` of a study.

    Rows are in the order of ``cells.json``, so that equal results give equal bytes.

    Args:
        study_folder: the folder with ``cells.json`` and ``runs/``; the tables go there.
        into: another folder for the tables, with copies of ``cells.json``, of latencies and of
            one-shot accuracies, so that all later steps work there; the study's folder is not
            changed.
        partial: omit missing results, and mark every row if there are any.
        allow_mixed_device: allow CPU and CUDA results together, and mark every row if both occur;
            the study's own ``allow_mixed_device`` has the same effect.

    Returns:
        The paths of the files written, the four tables last.

    Raises:
        ResultError: if results are missing, damaged, duplicated, trained with other settings, off
            their target, or must not share a table; if ``into`` is not writable, or belongs to
            another study.

    """
    apart = into is not None and into.resolve() != study_folder.resolve()
    target = into if into is not None and apart else study_folder
    if apart:
        _refuse_what_is_taken(target, study_folder)
    configuration, cells = read_expected(study_folder)
    found = collect(study_folder, cells, partial=partial)
    allowed = allow_mixed_device or bool(configuration.get("allow_mixed_device"))
    mixed = check(found, study_folder.name, allow_mixed_device=allowed)
    missing = len(found) < len(cells)

    pattern = ranked_pattern(cells)

    def one_row(item: StoredResult) -> list[Row]:
        return [run_row(item, partial=missing, mixed_device=mixed, pattern=pattern)]

    frames = {
        "runs.csv": _rows(found, one_row, RUNS)[list(RUNS)],
        "epochs.csv": _rows(found, epoch_rows, EPOCHS),
        "layers.csv": _rows(found, layer_rows, LAYERS),
        "updates.csv": _rows(found, update_rows, UPDATES),
    }
    texts = {file: it.to_csv(index=False, lineterminator="\n") for file, it in frames.items()}
    if apart:
        beside = [CELLS, *(it for it in (LATENCY, ESSENTIAL) if (study_folder / it).exists())]
        texts = {file: (study_folder / file).read_text(encoding="utf-8") for file in beside} | texts
    try:
        for file, text in texts.items():
            write_text(target / file, text)
        for file in {LATENCY, ESSENTIAL} - texts.keys() if apart else ():
            (target / file).unlink(missing_ok=True)  # a copy of measurements that were deleted
    except OSError as error:
        raise ResultError(f"{target}: cannot be written to ({error.strerror})") from None
    return [target / file for file in texts]


def _refuse_what_is_taken(target: Path, study_folder: Path) -> None:
    """Raise ResultError if a folder contains trainings, or the files of another study."""
    if (target / RUNS_FOLDER).exists():
        raise ResultError(
            f"{target}: contains the trainings of a study; give a folder without {RUNS_FOLDER}/"
        )
    if (target / CELLS).exists() and study_name(target) != study_name(study_folder):
        raise ResultError(
            f"{target}: contains files of another study, {study_name(target)}; give another folder"
        )


def _rows(
    found: Sequence[StoredResult],
    take: Callable[[StoredResult], list[Row]],
    columns: Sequence[str] | dict[str, str],
) -> DataFrame:
    rows: list[Row] = []
    for item in found:
        rows += take(item)
    if not rows:
        return DataFrame(columns=list(columns))
    frame = DataFrame(rows)
    for name in frame.columns.intersection(list(COUNTS)):
        frame[name] = array([row[name] for row in rows], dtype="Int64")
    return frame
