"""Tables by name: a table of runs in, three forms of what it says out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pandas import DataFrame

from fggp.analysis.collect.runs_csv import marks, read_runs, title
from fggp.analysis.plan import Plan, read_plan
from fggp.analysis.tables.claims import claims_table
from fggp.analysis.tables.comparisons import comparisons_table
from fggp.analysis.tables.costs import costs_table
from fggp.analysis.tables.formats import Table, latex, markdown
from fggp.analysis.tables.leave_out import leave_out_table
from fggp.analysis.tables.per_setting import per_setting_table
from fggp.analysis.tables.power import study_power_table
from fggp.analysis.tables.provenance import provenance_table
from fggp.analysis.tables.ranking import ranking_all_table, ranking_table
from fggp.analysis.tables.settings import settings_table
from fggp.analysis.tables.tests import all_tests_table
from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.foundation.validation import nearest

TABLES: dict[str, Callable[[DataFrame, Plan], Table]] = {
    "ranking": ranking_table,
    "ranking_all": ranking_all_table,
    "settings": settings_table,
    "comparisons": comparisons_table,
    "per_setting": per_setting_table,
    "tests": all_tests_table,
    "leave_out": leave_out_table,
    "power": study_power_table,
    "claims": claims_table,
    "costs": costs_table,
    "provenance": provenance_table,
}


def write_table(name: str, study_folder: Path) -> list[Path]:
    """Write ``tables/NAME.csv``, ``.md`` and ``.tex`` from ``runs.csv`` of a study.

    Raises ResultError where no table has that name, or the table cannot be made.
    """
    if name not in TABLES:
        raise ResultError(f"no table is called {name!r}{nearest(name, list(TABLES))}")
    runs = read_runs(study_folder)
    plan, origin = read_plan()
    table = TABLES[name](runs, plan)
    note = " ".join(filter(None, [_sentence(title(study_folder)), table.note]))
    note += f" The plan of the analysis is {origin}."
    forms = {
        "csv": table.data.to_csv(index=False, lineterminator="\n"),
        "md": markdown(table, note, marks(runs)),
        "tex": latex(table, note, marks(runs)),
    }
    paths = [study_folder / "tables" / f"{name}.{form}" for form in forms]
    for path, text in zip(paths, forms.values(), strict=True):
        write_text(path, text)
    return paths


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}." if text else ""
