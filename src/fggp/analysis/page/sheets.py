"""Tables for a page: grouped rows, each with its exact numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple
from urllib.parse import quote

from pandas import DataFrame

from fggp.analysis.page.parts import Place
from fggp.analysis.tables.formats import Column, Row, Table, records

NOTE = "note"
UNBROKEN = "\N{NO-BREAK SPACE}%"


class Cell(NamedTuple):
    """A text; ``kind`` is "words", "note words" or empty, ``mark`` is "strong", "u" or empty."""

    text: str
    kind: str
    mark: str = ""


class Line(NamedTuple):
    """A row: its group, its texts (the first one names it), its place, and its csv."""

    group: str
    cells: Sequence[Cell]
    place: Place | None
    csv: str


class Layout(NamedTuple):
    """The layout of a table on a page.

    ``first`` names a row; ``without`` are headings that it makes superfluous, and ``more`` are
    columns at the end, before notes. ``group`` is the heading of neighbouring rows that share it.
    If ``place`` is given, a part of the study shows the rows that belong to it.
    """

    first: Column
    without: Collection[str] = ()
    more: Sequence[Column] = ()
    group: Callable[[Row], str] = lambda row: ""
    place: Callable[[Row], Place] | None = None


@dataclass(frozen=True)
class Sheet:
    """A table of a page; ``file`` is the name of its csv."""

    name: str
    caption: str
    heads: Sequence[Cell]
    lines: Sequence[Line]
    csv_head: str
    note: str
    file: str

    @property
    def groups(self) -> Iterator[tuple[str, list[Line]]]:
        """The lines by group, in their order."""
        for group, lines in groupby(self.lines, key=lambda line: line.group):
            yield group, list(lines)

    @property
    def follows(self) -> bool:
        """Whether its rows follow the chosen part."""
        return any(line.place is not None for line in self.lines)

    @property
    def csv(self) -> str:
        """The exact numbers of the rows."""
        return "".join([self.csv_head, *(line.csv for line in self.lines)])

    @property
    def link(self) -> str:
        """The csv as a data URI."""
        return f"data:text/csv;charset=utf-8,{quote(self.csv, safe='')}"


def sheet(name: str, caption: str, table: Table, layout: Layout, file: str) -> Sheet:
    """Lay out a table."""
    kept = [it for it in table.columns if it.head not in {layout.first.head, *layout.without}]
    notes = [it for it in kept if it.head == NOTE]
    columns = [layout.first, *(it for it in kept if it.head != NOTE), *layout.more, *notes]
    lines = [
        Line(
            layout.group(row),
            [Cell(it.text(row), _kind(it), _mark(table, it.head, index)) for it in columns],
            layout.place(row) if layout.place else None,
            _csv(table.data[index : index + 1], header=False),
        )
        for index, row in enumerate(records(table.data))
    ]
    heads = [Cell(it.head.replace(" %", UNBROKEN), _kind(it)) for it in columns]
    return Sheet(name, caption, heads, lines, _csv(table.data[:0], header=True), table.note, file)


def _kind(column: Column) -> str:
    return "note words" if column.head == NOTE else "words" if column.left else ""


def _mark(table: Table, head: str, index: int) -> str:
    for mark, marked in (("strong", table.bold), ("u", table.underlined)):
        if head in marked and marked[head][index]:
            return mark
    return ""


def _csv(rows: DataFrame, *, header: bool) -> str:
    return rows.to_csv(index=False, header=header, lineterminator="\n")
