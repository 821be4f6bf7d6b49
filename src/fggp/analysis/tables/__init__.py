"""Tables by name: from a table of runs to exact numbers, Markdown and LaTeX.

A table is declared with `fggp.analysis.catalogue.table` in a file of this folder.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature
from pathlib import Path

from pandas import DataFrame

from fggp.analysis.catalogue import COMPARISONS, TABLES
from fggp.analysis.collect.runs_csv import labels, marks, read_runs, title
from fggp.analysis.compared_runs import compared, coverage
from fggp.analysis.plan import Plan, read_plan
from fggp.analysis.spreads import few_seeds
from fggp.analysis.tables.formats import Table, latex, markdown
from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.foundation.validation import nearest

__all__ = ["TABLES", "tabulate", "write_table"]


def tabulate(name: str, runs: DataFrame, plan: Plan, study_folder: Path | None = None) -> Table:
    """Return a table; raises ResultError if no table has that name, or it cannot be made.

    Tables that compare methods (`fggp.analysis.catalogue.COMPARISONS`) are of the trainings that
    `fggp.analysis.compared_runs.compared` returns, the others of all ``runs``. A table whose
    function has a third argument also reads files in ``study_folder``.
    """
    if name not in TABLES:
        hint = nearest(name, TABLES, "fggp table --help")
        raise ResultError(f"unknown table {name!r}{hint}")
    declared = TABLES[name]
    module = import_module(f"{__name__}.{declared.module}")
    made: Callable[..., Table] = getattr(module, declared.function)
    more = [study_folder] if len(signature(made).parameters) > 2 else []
    return made(compared(runs, plan) if declared.under in COMPARISONS else runs, plan, *more)


def write_table(name: str, study_folder: Path) -> list[Path]:
    """Write ``tables/NAME.csv``, ``.md`` and ``.tex`` from ``runs.csv`` of a study.

    Raises ResultError if no table has that name, or the table cannot be made.
    """
    runs = read_runs(study_folder)
    plan, origin = read_plan(study_folder)
    table = tabulate(name, runs, plan, study_folder)
    parts = [_sentence(title(study_folder)), *_cautions(name, runs, plan, study_folder), table.note]
    note = " ".join(filter(None, parts))
    note += f" Plan of the analysis: {origin}."
    forms = {
        "csv": table.data.to_csv(index=False, lineterminator="\n"),
        "md": markdown(table, note, marks(runs)),
        "tex": latex(table, note, marks(runs)),
    }
    paths = [study_folder / "tables" / f"{name}.{form}" for form in forms]
    for path, text in zip(paths, forms.values(), strict=True):
        write_text(path, text)
    return paths


def _cautions(name: str, runs: DataFrame, plan: Plan, study_folder: Path) -> list[str]:
    part = ""
    if TABLES[name].under in COMPARISONS:
        part = coverage(runs, plan, labels(study_folder))
    return [part, few_seeds(compared(runs, plan), plan)]


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}." if text else ""
