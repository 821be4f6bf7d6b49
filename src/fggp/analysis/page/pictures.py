"""The embedded figures of a page, each with its alternative text and its caption."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from fggp.analysis.catalogue import FIGURES, Declaration, Head, by_head
from fggp.analysis.collect.outdated import older_than_data
from fggp.study.study_folder import argument

TYPES = {"svg": "image/svg+xml", "png": "image/png"}
"""The media types of the formats that a browser can show."""


class Picture(NamedTuple):
    """A figure: its name in words, its image as a data URI, and its texts.

    ``alt`` describes it, ``notes`` has the numbers of this study, ``caption`` explains how to read
    it.
    """

    name: str
    source: str
    alt: str
    notes: list[str]
    caption: list[str]
    files: str


def pictures(study_folder: Path) -> dict[Head, list[Picture]]:
    """Return the existing figures of a study, by heading."""
    found = {
        head: [_picture(folder, it) for it in those if _forms(folder, it.name)]
        for head, those in by_head(FIGURES).items()
        for folder in [study_folder / "figures"]
    }
    return {head: those for head, those in found.items() if those}


def outdated_figures(study_folder: Path) -> str:
    """Return in a sentence that figures, which a page shows, are older than the data.

    Empty if none is.
    """
    shown = (it for name in FIGURES for it in _paths(study_folder / "figures", name).values())
    if not (older := older_than_data(study_folder, shown)):
        return ""
    return (
        f"figures of {study_folder} that are older than its data: {len(older)}; draw them again "
        f"with `fggp figure all {quote(argument(study_folder))}`"
    )


def _picture(folder: Path, figure: Declaration) -> Picture:
    name = figure.name
    form, content = min(_forms(folder, name).items(), key=lambda it: len(it[1]))
    source = f"data:{TYPES[form]};base64,{b64encode(content).decode()}"
    text = folder / f"{name}.rst"
    written = text.read_text(encoding="utf-8") if text.exists() else ""
    lines = [it.strip() for it in written.replace("``", "").replace("*", "").split("\n\n")][1:]
    declared = len(figure.docstring.text)
    kinds = ", ".join(f".{it.suffix[1:]}" for it in sorted(folder.glob(f"{name}.*")))
    return Picture(
        name.replace("_", " "),
        source,
        figure.alt,
        lines[declared:],
        lines[:declared],
        f"figures/{name} ({kinds})",
    )


def _forms(folder: Path, name: str) -> dict[str, bytes]:
    """Return the contents of a figure in the formats that a browser can show."""
    return {form: path.read_bytes() for form, path in _paths(folder, name).items()}


def _paths(folder: Path, name: str) -> dict[str, Path]:
    """Return the existing files of a figure in the formats that a browser can show."""
    paths = {form: folder / f"{name}.{form}" for form in TYPES}
    return {form: path for form, path in paths.items() if path.exists()}
