"""Whether the tables of a study still match its results, and other files its tables."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from fggp.analysis.collect.consistency import stored_path
from fggp.foundation.quantities import count
from fggp.study.essential_file import ESSENTIAL
from fggp.study.latency_file import LATENCY
from fggp.study.study_folder import CELLS, argument, read_expected, run_path

SLACK = 10
"""Seconds by which a result may be newer than the tables: a copied folder has copied times."""


def outdated(study_folder: Path) -> str:
    """Return in a sentence that results or the study changed after ``runs.csv`` was written.

    Empty if the tables match, or the folder does not have both results and tables.
    """
    table = study_folder / "runs.csv"
    if not table.exists() or not (study_folder / "runs").is_dir():
        return ""
    cells = read_expected(study_folder)[1]
    found = (stored_path(run_path(study_folder, cell), cell) for cell in cells)
    results = [path for path in found if path is not None]
    with table.open(encoding="utf-8") as lines:
        rows = sum(1 for _ in lines) - 1
    if rows != len(results):
        reason = f"{table} has {count(rows, 'training')} and the study {len(results)}"
    elif any(it.stat().st_mtime > table.stat().st_mtime + SLACK for it in results):
        reason = f"{table} is older than a result"
    elif (study_folder / CELLS).stat().st_mtime > table.stat().st_mtime + SLACK:
        reason = f"{table} is older than the settings of the study ({CELLS})"
    else:
        return ""
    return f"{reason}; write the tables again with `fggp aggregate {quote(argument(study_folder))}`"


def older_than_data(study_folder: Path, files: Iterable[Path]) -> list[Path]:
    """Return the files that are older than ``runs.csv`` or than measurements beside it."""
    known = [study_folder / name for name in ("runs.csv", LATENCY, ESSENTIAL)]
    newest = max((it.stat().st_mtime for it in known if it.exists()), default=0.0)
    return [it for it in files if it.stat().st_mtime < newest - SLACK]
