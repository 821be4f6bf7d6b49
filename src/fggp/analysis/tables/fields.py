"""Columns of tables, each declared once: its name, type, meaning, value, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pandas import DataFrame

from fggp.analysis.pairs import Pair
from fggp.analysis.tables.formats import Column, Row, interval, missing, shown

Source = TypeVar("Source")


@dataclass(frozen=True)
class Field(Generic[Source]):
    """A column of a table.

    Attributes:
        name: its name in the csv.
        type: its pandas type: "str", "int64", "Int64" (may be missing) or "float64".
        meaning: its description, with its unit.
        value: computes it from the subject of a row.
        head: its heading if it is shown; a column without one is only in the csv.
        form: the form of a number: a format such as ".2f", or a function.
        cell: writes the text of a row, if that takes more than the value.
        place: shown columns are sorted by place, and within a place in the order of the csv.

    """

    name: str
    type: str
    meaning: str
    value: Callable[[Source], Any]
    head: str = ""
    form: str | Callable[[Any], str] = str
    cell: Callable[[Row], str] | None = None
    place: int = 0

    def text(self, row: Row) -> str:
        """Return the text of a row, "-" if there is no value."""
        if self.cell is not None:
            return self.cell(row)
        value = row[self.name]
        if isinstance(self.form, str):
            return shown(value, self.form)
        return "-" if missing(value) or value == "" else self.form(value)


class HasPair(Protocol):
    """The source of a row in a table about pairs of methods."""

    @property
    def pair(self) -> Pair:
        """The pair that the row is about."""


Paired = TypeVar("Paired", bound=HasPair)


def of_pair(source: type[Paired]) -> tuple[Field[Paired], ...]:
    """Return the first columns of a table with a row per pair: its methods, settings and seeds."""
    return (
        Field("blocks", "str", "the kind of a setting, see `pairs`", lambda it: it.pair.blocks),
        Field("reference", "str", "the reference, with a start if it has one here",
              lambda it: it.pair.reference),
        Field("rival", "str", "the other method", lambda it: it.pair.rival, "rival"),
        Field("settings", "Int64", "the number of settings", lambda it: it.pair.images.shape[0]),
        Field("seeds", "Int64", "the number of seeds", lambda it: it.pair.images.shape[1]),
    )  # fmt: skip


def types(fields: Sequence[Field[Any]]) -> dict[str, str]:
    """Return the columns of the csv with their types."""
    return {field.name: field.type for field in fields}


def frame(fields: Sequence[Field[Source]], sources: Iterable[Source]) -> DataFrame:
    """Return a row for each source, with all columns."""
    columns = types(fields)
    rows = [{field.name: field.value(source) for field in fields} for source in sources]
    return DataFrame(rows, columns=list(columns)).astype(columns)


def visible(fields: Sequence[Field[Any]], **words: str) -> list[Column]:
    """Return the columns that are shown; ``words`` fill in the braces of their headings."""
    heads = sorted((field for field in fields if field.head), key=lambda field: field.place)
    return [Column(it.head.format(**words), it.text, left=it.type == "str") for it in heads]


def between(low: str, high: str, form: str) -> Callable[[Row], str]:
    """Return a function that writes an interval whose ends are two columns."""
    return interval("", low, high, form).text
