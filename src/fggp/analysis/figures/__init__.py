"""Figures by name: from the tables of a study to pictures, their data and captions.

A figure is a file of this folder that declares itself with `fggp.analysis.catalogue.figure`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from fggp.analysis.catalogue import COMPARISONS, FIGURES, FORMATS
from fggp.analysis.figure_style import WIDTH, save, styled
from fggp.analysis.figures.layout import Drawn, entitle, notes, warn
from fggp.analysis.study_tables import Material
from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.foundation.validation import nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FIGURES", "draw", "write_figures"]


def draw(
    name: str, material: Material, mark: Callable[[Figure, Sequence[str]], None] = warn
) -> Drawn:
    """Return a figure with its warnings, and its data; call it inside `styled`.

    ``mark`` writes the warnings into the figure. Raises ResultError if no figure has that name, or
    a table of the study cannot be read.
    """
    if name not in FIGURES:
        hint = nearest(name, FIGURES, "fggp figure --help")
        raise ResultError(f"unknown figure {name!r}{hint}")
    declared = FIGURES[name]
    module = import_module(f"{__name__}.{declared.module}")
    drawn: Callable[[Material], Drawn] = getattr(module, declared.function)
    figure, data = drawn(material)
    if not figure.get_suptitle():
        entitle(figure, material.title)
    mark(figure, material.marks)
    return figure, data


def write_figures(
    names: list[str],
    study_folder: Path,
    *,
    formats: Sequence[str] = FORMATS,
    width: float = WIDTH,
    titled: bool = True,
) -> list[Path]:
    """Write ``figures/NAME`` in each of the ``formats`` from the tables of a study.

    Also write the data of each figure (``.csv``) and its caption (``.rst``): the text of its
    declaration, then the numbers of this study, and the name of the study if the figure does not
    show all of it. ``width`` is in inches. Without ``titled``, the study is not named above the
    panels. Raises ResultError if no figure has that name, or a table of the study cannot be read.
    """
    material, paths = Material(study_folder), []
    for name in names:
        stem = study_folder / "figures" / name
        with styled(width):
            figure, data = draw(name, material)
            if not titled:
                entitle(figure, "")
            paths += save(figure, stem, data, formats)
        paths.append(stem.with_name(f"{name}.rst"))
        write_text(paths[-1], "\n\n".join(_caption(name, figure, material)) + "\n")
    return paths


def _caption(name: str, figure: Figure, material: Material) -> list[str]:
    """Return the paragraphs of the caption of a figure."""
    part = material.coverage if FIGURES[name].under in COMPARISONS else ""
    study = f"{material.title}." if figure.get_suptitle() != material.title else ""
    return [it for it in (FIGURES[name].caption, part, *notes(figure), study) if it]
