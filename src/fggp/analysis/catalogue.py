"""The tables and figures by name, as their files declare them; imports nothing heavy.

A file in ``analysis/figures`` or ``analysis/tables`` declares its functions with `figure` or
`table`. The declarations are read here without importing the files, which need matplotlib and
pandas: every command and every job of the workflow needs the names.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from fggp.foundation.docstrings import Docstring, parse

Head = Literal["Results", "Ablations", "Diagnostics", "Provenance"]
"""The headings of tables and figures in the report, on the page and in lists."""

COMPARISONS: tuple[Head, ...] = ("Results", "Ablations")
"""The headings of tables and figures that compare methods."""

Maker = TypeVar("Maker", bound=Callable[..., Any])


@dataclass(frozen=True)
class Declaration:
    """A table or figure as its file declares it.

    Attributes:
        name: as written on the command line and in names of files.
        under: its heading.
        place: its position under the heading; equal places are sorted by name.
        module: the name of its file.
        function: the name of the function that makes it.
        docstring: of that function: the first line is the alternative text of a figure and
            the entry in ``figures/README.md``; the paragraphs after it complete the caption.

    """

    name: str
    under: Head
    place: int
    module: str
    function: str
    docstring: Docstring

    @property
    def alt(self) -> str:
        """Its content in one sentence of plain text."""
        return self.docstring.summary.replace("``", "")

    @property
    def entry(self) -> str:
        """The same in Markdown, without the full stop."""
        return self.docstring.summary.replace("``", "`").rstrip(".")

    @property
    def caption(self) -> str:
        """Its caption in reStructuredText."""
        return "\n\n".join([self.docstring.summary, *self.docstring.text])


def figure(under: Head, *, place: int = 100) -> Callable[[Maker], Maker]:
    """Declare the decorated function as the figure of its name, which is also that of its file."""
    del under, place  # read from the source, see `declared`
    return lambda make: make


def table(name: str, under: Head, *, place: int = 100) -> Callable[[Maker], Maker]:
    """Declare the decorated function as a table."""
    del name, under, place  # read from the source, see `declared`
    return lambda make: make


def declared(folder: Path, decorator: str) -> dict[str, Declaration]:
    """Return the declarations of a folder's files with a decorator, by heading and place.

    Raises ValueError if two have one name.
    """
    found = [it for path in sorted(folder.glob("*.py")) for it in _declarations(path, decorator)]
    heads = get_args(Head)
    found.sort(key=lambda it: (heads.index(it.under), it.place, it.name))
    by_name = {it.name: it for it in found}
    if len(by_name) < len(found):
        names = [it.name for it in found]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"{folder}: declared twice: {', '.join(twice)}")
    return by_name


def by_head(declarations: Mapping[str, Declaration]) -> dict[Head, list[Declaration]]:
    """Return declarations under their headings."""
    heads: dict[Head, list[Declaration]] = {}
    for it in declarations.values():
        heads.setdefault(it.under, []).append(it)
    return heads


def _declarations(path: Path, decorator: str) -> Iterator[Declaration]:
    source = path.read_text(encoding="utf-8")
    if f"\n@{decorator}(" not in source:
        return  # other files need not be parsed
    signature = {"figure": ("under",), "table": ("name", "under")}[decorator]
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for call in node.decorator_list:
            if not (isinstance(call, ast.Call) and ast.unparse(call.func) == decorator):
                continue
            given: dict[str, Any] = {"name": node.name, "place": 100}
            given |= zip(signature, map(ast.literal_eval, call.args), strict=False)
            given |= {str(it.arg): ast.literal_eval(it.value) for it in call.keywords}
            text = parse(ast.get_docstring(node) or "")
            yield Declaration(module=path.stem, function=node.name, docstring=text, **given)


HERE = Path(__file__).parent
TABLES = declared(HERE / "tables", "table")
FIGURES = declared(HERE / "figures", "figure")
FORMATS = ("pdf", "png", "svg")
"""File formats of figures: ``pdf`` or ``svg`` for papers, the smaller picture for a page."""
PAGE = "page.html"
"""The page of a study, in its folder."""
