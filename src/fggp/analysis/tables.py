"""Tables in three forms: exact numbers (csv), for reading (md) and for a paper (tex)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pandas import DataFrame

from fggp.analysis.frames import marks, read_runs, title
from fggp.analysis.ranking import REFERENCE, ranking, ranking_all
from fggp.complaints import nearest
from fggp.results import ResultError, write_text

TABLES: dict[str, Callable[[DataFrame], DataFrame]] = {
    "ranking": ranking,
    "ranking_all": ranking_all,
}

HEADS = {
    "label": ("method", ""),
    "average_rank": ("average rank", ".2f"),
    "wins": ("wins", "d"),
    "settings": ("settings", "d"),
    "seeds": ("seeds", "d"),
    "accuracy_percent": ("accuracy (%)", ".2f"),
    "gap_to_dense_points": ("gap to dense (points)", "+.2f"),
}
"""Heading and number format of each column."""

BLOCKS = {
    "ranking": "settings of backbone, sparsity and initial sparsity",
    "ranking_all": "settings of backbone and sparsity",
}

LATEX = str.maketrans({sign: f"\\{sign}" for sign in "&%$#_{}"})
"""What a description may hold and LaTeX reads as its own."""

INTERPRETATION = "The method fggp is an interpretation of its paper's abstract."


def write_table(name: str, study_folder: Path) -> list[Path]:
    """Write ``tables/NAME.csv``, ``.md`` and ``.tex`` from ``runs.csv`` of a study.

    Raises ResultError where no table has that name, or the table cannot be made.
    """
    if name not in TABLES:
        raise ResultError(f"no table is called {name!r}{nearest(name, list(TABLES))}")
    runs = read_runs(study_folder)
    table = TABLES[name](runs)
    note = " ".join(filter(None, [_sentence(title(study_folder)), caption(name, table)]))
    if (runs["method"] == "fggp").any():
        note += f" {INTERPRETATION}"
    forms = {
        "csv": table.to_csv(index=False, lineterminator="\n"),
        "md": markdown(table, note, marks(runs)),
        "tex": latex(table, note, marks(runs)),
    }
    paths = [study_folder / "tables" / f"{name}.{form}" for form in forms]
    for path, text in zip(paths, forms.values(), strict=True):
        write_text(path, text)
    return paths


def caption(name: str, table: DataFrame) -> str:
    """Return what a ranking shows, with the numbers of settings and seeds."""
    if table.empty:
        return "Nothing to rank: it takes two methods with results in the same settings."
    settings, seeds = int(table["settings"].max()), int(table["seeds"].max())
    noun = "seed" if seeds == 1 else "seeds"
    return (
        f"Average rank of the mean accuracy (n = {seeds} {noun}) in {settings} {BLOCKS[name]}; "
        "1 is best, wins are settings ranked best. "
        "Test accuracy at the last epoch; the gap to dense is paired by seed."
    )


def markdown(table: DataFrame, note: str, warnings: list[str]) -> str:
    """Return a ranking as a Markdown table, the note and the warnings below it."""
    shown, best = _shown(table, "-"), _best(table)
    for column in shown:
        shown[column] = [
            f"**{text}**" if bold else text
            for text, bold in zip(shown[column], best[column], strict=True)
        ]
    align = ["left"] + ["right"] * (len(HEADS) - 1)
    text = shown.to_markdown(index=False, disable_numparse=True, colalign=align)
    lines = [f"**{warning}**" for warning in warnings] + [note]
    return "\n\n".join([text, *lines]) + "\n"


def latex(table: DataFrame, note: str, warnings: list[str]) -> str:
    """Return a ranking as a LaTeX table; it needs the package booktabs."""
    best = _best(table)
    style = _shown(table, "-").style.hide(axis="index").format(escape="latex")
    style = style.format_index(escape="latex", axis="columns")
    style = style.apply(
        lambda _: best.map(lambda bold: "textbf:--rwrap;" if bold else ""), axis=None
    )
    loud = [rf"\textbf{{{warning}.}}" for warning in warnings]
    body = style.to_latex(
        hrules=True,
        column_format="l" + "r" * (len(HEADS) - 1),
        position_float="centering",
        caption=" ".join([*loud, note.translate(LATEX)]),
    )
    comments = ["needs \\usepackage{booktabs}", *warnings]
    return "".join(f"% {line}\n" for line in comments) + body


def _sentence(text: str) -> str:
    return f"{text.rstrip('.')}." if text else ""


def _shown(table: DataFrame, missing: str) -> DataFrame:
    """Return the table as text, under its headings."""
    shown = {}
    for column, (head, form) in HEADS.items():
        empty = table[column].isna()
        shown[head] = [
            missing if gone else format(value, form)
            for value, gone in zip(table[column], empty, strict=True)
        ]
    return DataFrame(shown, dtype="str")


def _best(table: DataFrame) -> DataFrame:
    """Return which shown numbers are the best of their column; the reference does not compete."""
    best = {}
    for column, (head, _) in HEADS.items():
        rivals = table[column].where(table["label"] != REFERENCE)
        if column == "average_rank":
            marked = rivals == rivals.min()
        elif column in {"wins", "accuracy_percent", "gap_to_dense_points"}:
            marked = rivals == rivals.max()
        else:
            marked = rivals.isna() & False
        best[head] = marked.fillna(False).astype(bool)
    return DataFrame(best)
