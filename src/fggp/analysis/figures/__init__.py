"""Figures by name: the tables of a study in; a PDF, a PNG and the data they show out.

A figure is a file of this folder that declares itself with `fggp.analysis.catalogue.figure`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from fggp.analysis.catalogue import FIGURES
from fggp.analysis.figure_style import save, styled
from fggp.analysis.figures.layout import Drawn, head, warn
from fggp.analysis.study_tables import Material
from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.foundation.validation import nearest

__all__ = ["FIGURES", "draw", "write_figures"]


def draw(name: str, material: Material) -> Drawn:
    """Return a figure with its warnings, and the data that it shows; call it inside `styled`.

    Raises ResultError where no figure has that name, or a table of the study cannot be read.
    """
    if name not in FIGURES:
        raise ResultError(f"no figure is called {name!r}{nearest(name, list(FIGURES))}")
    declared = FIGURES[name]
    module = import_module(f"{__name__}.{declared.module}")
    drawn: Callable[[Material], Drawn] = getattr(module, declared.function)
    figure, data = drawn(material)
    if not figure.get_suptitle():
        head(figure, material.title)
    warn(figure, material.marks)
    return figure, data


def write_figures(names: list[str], study_folder: Path) -> list[Path]:
    """Write ``figures/NAME.pdf``, ``.png``, ``.csv`` and ``.rst`` from the tables of a study.

    The ``.csv`` is the data that the figure shows, the ``.rst`` its caption. Raises ResultError
    where no figure has that name, or a table of the study cannot be read.
    """
    material, paths = Material(study_folder), []
    for name in names:
        stem = study_folder / "figures" / name
        with styled():
            figure, data = draw(name, material)
            paths += save(figure, stem, data)
        paths.append(stem.with_name(f"{name}.rst"))
        write_text(paths[-1], f"{FIGURES[name].caption}\n")
    return paths
