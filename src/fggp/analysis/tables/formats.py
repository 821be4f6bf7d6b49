"""The three forms of a table: exact numbers (csv), for reading (md) and for a paper (tex)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pandas import DataFrame

Row = Mapping[str, Any]

WIDE = 8
"""With more columns than this, a LaTeX table spans both columns of a page, in small type."""
LONG = 30
"""With more rows than this, it runs over several pages."""

LATEX = str.maketrans({sign: f"\\{sign}" for sign in "&%$#_{}"})
"""Characters of a description that are special in LaTeX."""


@dataclass(frozen=True)
class Column:
    """A displayed column: its heading, and the text of a row."""

    head: str
    text: Callable[[Row], str]
    left: bool = False


@dataclass(frozen=True)
class Table:
    """A table: its exact numbers, its displayed columns, and the sentences below.

    ``bold`` and ``underlined`` mark rows, by heading.
    """

    data: DataFrame
    columns: Sequence[Column]
    note: str
    bold: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    underlined: Mapping[str, Sequence[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        heads = [column.head for column in self.columns]
        if len(set(heads)) < len(heads):
            raise ValueError(f"two columns have one heading: {heads}")

    @property
    def shown(self) -> DataFrame:
        """The text of every cell under its heading."""
        rows = records(self.data)
        texts = {it.head: [it.text(row) for row in rows] for it in self.columns}
        return DataFrame(texts, dtype="str")


def records(data: DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as plain mappings."""
    return [{str(key): value for key, value in row.items()} for row in data.to_dict("records")]


def text(head: str, key: str) -> Column:
    """Return a column of words."""
    return Column(
        head, lambda row: "-" if missing(row[key]) or row[key] == "" else str(row[key]), left=True
    )


def number(head: str, key: str, form: str) -> Column:
    """Return a column of numbers in one format."""
    return Column(head, lambda row: shown(row[key], form))


def interval(head: str, low: str, high: str, form: str) -> Column:
    """Return a column of intervals."""

    def both(row: Row) -> str:
        if missing(row[low]) or missing(row[high]):
            return "-"
        return f"{shown(row[low], form)} to {shown(row[high], form)}"

    return Column(head, both)


def p_value(head: str, key: str) -> Column:
    """Return a column of p-values with two digits, never "0.000"."""
    return Column(head, lambda row: shown(row[key], ".2g"))


def remarks(data: DataFrame) -> list[Column]:
    """Return the column of notes, if there are any."""
    return [text("note", "note")] if data["note"].fillna("").ne("").any() else []


def shown(value: Any, form: str) -> str:
    """Return a number as text, "-" if there is none.

    For fixed decimals, the number is first rounded to nine of them, so that equal numbers that were
    computed in two ways read the same, and a zero has no minus.
    """
    if missing(value):
        return "-"
    return format(round(value, 9) + 0.0 if form.endswith("f") else value, form)


def missing(value: Any) -> bool:
    """Whether there is no value."""
    return value is None or bool(pd.isna(value))


def markdown(table: Table, note: str, warnings: Sequence[str]) -> str:
    """Return a table in Markdown, the note and the warnings below it."""
    cells = table.shown
    for head, marks in table.underlined.items():
        cells[head] = _wrapped(cells[head], marks, "<u>{}</u>")
    for head, marks in table.bold.items():
        cells[head] = _wrapped(cells[head], marks, "**{}**")
    align = ["left" if column.left else "right" for column in table.columns]
    body = cells.to_markdown(index=False, disable_numparse=True, colalign=align)
    lines = [f"**{warning}**" for warning in warnings] + [note]
    return "\n\n".join([body, *lines]) + "\n"


def latex(table: Table, note: str, warnings: Sequence[str]) -> str:
    """Return a table in LaTeX; it needs the package booktabs, a long one longtable as well."""
    cells = table.shown
    style = cells.style.hide(axis="index").format(escape="latex")
    style = style.format_index(escape="latex", axis="columns")
    for command, marked in (("underline", table.underlined), ("textbf", table.bold)):
        for head, marks in marked.items():
            css = [f"{command}:--rwrap;" if mark else "" for mark in marks]
            style = style.apply(lambda _, css=css: css, subset=[head])
    loud = [rf"\textbf{{{warning}.}}" for warning in warnings]
    long, wide = len(cells) > LONG, len(table.columns) > WIDE
    body = style.to_latex(
        hrules=True,
        column_format="".join("l" if column.left else "r" for column in table.columns),
        position_float=None if long else "centering",
        environment="longtable" if long else "table*" if wide else None,
        caption=" ".join([*loud, note.translate(LATEX)]),
    )
    if long:  # the note once, on the first page
        lines = body.splitlines(keepends=True)
        again = "\\caption[]"
        body = "".join(
            f"{again}{{(continued)}} \\\\\n" if line.startswith(again) else line for line in lines
        )
    if wide and not long:
        small = "\\centering\n\\footnotesize\\setlength{\\tabcolsep}{3pt}"
        body = body.replace("\\centering", small, 1)
    packages = "booktabs,longtable" if long else "booktabs"
    comments = [f"needs \\usepackage{{{packages}}}", *warnings]
    return "".join(f"% {line}\n" for line in comments) + body


def _wrapped(texts: Iterable[str], marks: Sequence[bool], form: str) -> list[str]:
    return [form.format(it) if mark else it for it, mark in zip(texts, marks, strict=True)]
