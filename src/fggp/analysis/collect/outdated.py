"""Whether the tables and figures of a study still match its results."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from fggp.analysis.collect.consistency import stored_path
from fggp.foundation.quantities import count
from fggp.study.study_folder import CELLS, read_expected, run_path

SHOWN = ("png", "svg")
"""The formats of figures on a page."""
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
    return f"{reason}; write the tables again with `fggp aggregate {quote(study_folder.name)}`"


def outdated_figures(study_folder: Path) -> str:
    """Return in a sentence that figures, which a page shows, are older than ``runs.csv``.

    Empty if none is.
    """
    table = study_folder / "runs.csv"
    if not table.exists():
        return ""
    shown = (it for form in SHOWN for it in (study_folder / "figures").glob(f"*.{form}"))
    number = sum(it.stat().st_mtime < table.stat().st_mtime - SLACK for it in shown)
    if not number:
        return ""
    return (
        f"figures of {study_folder} that are older than {table.name}: {number}; draw them again "
        f"with `fggp figure all {quote(study_folder.name)}`"
    )
