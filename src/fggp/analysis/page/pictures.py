"""The figures beside a page, each with its alternative text."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fggp.analysis.catalogue import FIGURES, Declaration, Head, by_head


class Picture(NamedTuple):
    """A figure: its name in words, where it lies from the page, and its other forms."""

    name: str
    path: str
    alt: str
    others: dict[str, str]


def pictures(study_folder: Path) -> dict[Head, list[Picture]]:
    """Return the figures of a study that are there, by head."""
    found = {
        head: [_picture(study_folder, it) for it in those if _path(study_folder, it.name).exists()]
        for head, those in by_head(FIGURES).items()
    }
    return {head: those for head, those in found.items() if those}


def _picture(study_folder: Path, figure: Declaration) -> Picture:
    name = figure.name
    others = {
        form: f"figures/{name}.{form}"
        for form in ("pdf", "csv")
        if _path(study_folder, name, form).exists()
    }
    return Picture(name.replace("_", " "), f"figures/{name}.png", figure.alt, others)


def _path(study_folder: Path, name: str, form: str = "png") -> Path:
    return study_folder / "figures" / f"{name}.{form}"
