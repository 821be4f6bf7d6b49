"""Reads a page back: its elements, and its tables as rows of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

VOID = {"meta", "img", "br", "link", "input", "hr"}


@dataclass
class Element:
    """An element with its attributes, and what it holds."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    @property
    def text(self) -> str:
        """All text inside."""
        return "".join(it if isinstance(it, str) else it.text for it in self.children)

    def all(self, tag: str, *, templates: bool = True, **having: str) -> Iterator[Element]:
        """Elements inside with a tag ("" is any) and attributes, templates' among them or not."""
        for child in self.children:
            if isinstance(child, str) or (child.tag == "template" and not templates):
                continue
            if tag in ("", child.tag) and having.items() <= child.attributes.items():
                yield child
            yield from child.all(tag, templates=templates, **having)

    def first(self, tag: str, **having: str) -> Element:
        """The first such element."""
        return next(self.all(tag, **having))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"</{tag}> ends <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(text: str) -> Element:
    """Return a page as a tree; its elements have to be nested well."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    assert len(reader.open) == 1, f"<{reader.open[-1].tag}> is not ended"
    return reader.open[0]


def table(root: Element, caption: str) -> Element:
    """Return the table whose caption begins so."""
    found = [it for it in root.all("table") if it.first("caption").text.startswith(caption)]
    assert found, f"no table {caption!r}"
    return found[0]


def heads(found: Element) -> list[str]:
    """Return the headings of columns."""
    return [it.text.replace("\N{NO-BREAK SPACE}", " ") for it in found.all("th", scope="col")]


def rows(found: Element) -> list[dict[str, str]]:
    """Return the rows that are shown, by heading."""
    names = heads(found)
    shown = [group for group in found.all("tbody") if "hidden" not in group.attributes]
    lines = [
        [cell.text for cell in line.children if isinstance(cell, Element)]
        for group in shown
        for line in group.all("tr")
        if "hidden" not in line.attributes and not list(line.all("th", scope="rowgroup"))
    ]
    return [dict(zip(names, line, strict=True)) for line in lines]


def csvs(root: Element, *, templates: bool = True) -> dict[str, str]:
    """Return the csv behind every link to one, by the name of the file."""
    links = [it for it in root.all("a", templates=templates) if "download" in it.attributes]
    start = "data:text/csv;charset=utf-8,"
    assert all(link["href"].startswith(start) for link in links)
    return {link["download"]: unquote(link["href"].removeprefix(start)) for link in links}
