"""Figures by name: the tables of a study in; a PDF, a PNG and the data they show out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fggp.analysis.figure_style import save, styled
from fggp.analysis.figures.accuracy_vs_flops import accuracy_vs_flops
from fggp.analysis.figures.accuracy_vs_sparsity import accuracy_vs_sparsity
from fggp.analysis.figures.critical_difference import critical_differences
from fggp.analysis.figures.drop_to_dense import drop_to_dense
from fggp.analysis.figures.forest import forest
from fggp.analysis.figures.layer_density import layer_density
from fggp.analysis.figures.layout import Drawn, head, warn
from fggp.analysis.figures.mask_churn import mask_churn
from fggp.analysis.figures.order_schedule import order_schedule
from fggp.analysis.figures.rank_heatmap import rank_heatmap
from fggp.analysis.figures.rate_ablation import rate_ablation
from fggp.analysis.figures.run_overview import run_overview
from fggp.analysis.figures.seed_pairs import seed_pairs
from fggp.analysis.figures.sparsity_schedule import sparsity_schedule
from fggp.analysis.figures.training_curves import training_curves
from fggp.analysis.figures.win_tie_loss import win_tie_loss
from fggp.analysis.study_tables import Material
from fggp.foundation.errors import ResultError
from fggp.foundation.validation import nearest

FIGURES: dict[str, Callable[[Material], Drawn]] = {
    "accuracy_vs_sparsity": accuracy_vs_sparsity,
    "drop_to_dense": drop_to_dense,
    "accuracy_vs_flops": accuracy_vs_flops,
    "forest": forest,
    "win_tie_loss": win_tie_loss,
    "rank_heatmap": rank_heatmap,
    "critical_difference": critical_differences,
    "rate_ablation": rate_ablation,
    "order_schedule": order_schedule,
    "layer_density": layer_density,
    "sparsity_schedule": sparsity_schedule,
    "mask_churn": mask_churn,
    "training_curves": training_curves,
    "run_overview": run_overview,
    "seed_pairs": seed_pairs,
}


def draw(name: str, material: Material) -> Drawn:
    """Return a figure with its warnings, and the data that it shows; call it inside `styled`.

    Raises ResultError where no figure has that name, or a table of the study cannot be read.
    """
    if name not in FIGURES:
        raise ResultError(f"no figure is called {name!r}{nearest(name, list(FIGURES))}")
    figure, data = FIGURES[name](material)
    if not figure.get_suptitle():
        head(figure, material.title)
    warn(figure, material.marks)
    return figure, data


def write_figures(names: list[str], study_folder: Path) -> list[Path]:
    """Write ``figures/NAME.pdf``, ``.png`` and ``.csv`` from the tables of a study.

    Raises ResultError where no figure has that name, or a table of the study cannot be read.
    """
    material, paths = Material(study_folder), []
    for name in names:
        with styled():
            figure, data = draw(name, material)
            paths += save(figure, study_folder / "figures" / name, data)
    return paths
