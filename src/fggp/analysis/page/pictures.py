"""The figures that lie beside a page, each with what a reader who does not see it is told."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fggp.analysis.catalogue import FIGURES_UNDER

SHOWS = {
    "accuracy_vs_sparsity": (
        "Test accuracy over sparsity, a line per method: every seed, the means, one sample "
        "standard deviation, and the dense network with its band."
    ),
    "drop_to_dense": (
        "Test accuracy minus that of the dense network with the same seed, a panel per setting: "
        "every seed, the means, and one sample standard deviation."
    ),
    "accuracy_vs_flops": (
        "Test accuracy over the multiply-accumulates of training and of inference, as shares of "
        "the dense network's."
    ),
    "forest": (
        "The reference method minus each rival with paired intervals, setting by setting and over "
        "all of them, beside the band of practical equivalence."
    ),
    "win_tie_loss": (
        "Settings won, tied and lost by the reference method against each rival, with the share "
        "of single runs won and Wilcoxon's p after Holm."
    ),
    "rank_heatmap": "The rank of every method in every setting, and its average.",
    "critical_difference": (
        "Average ranks on a line, with bars that join the methods which Nemenyi's and Wilcoxon's "
        "tests do not tell apart."
    ),
    "rate_ablation": (
        "Test accuracy over the constant rate of fggp, beside annealed rates, GMP and the dense "
        "network."
    ),
    "order_schedule": (
        "Test accuracy of fggp with gradient or magnitude first, at a constant or an annealed rate."
    ),
    "layer_density": (
        "The share of weights that each layer keeps at the end, at the highest sparsity, by method."
    ),
    "sparsity_schedule": (
        "The sparsity of the network after each mask update, and what the schedule asks for."
    ),
    "mask_churn": (
        "What mask updates change: weights dropped and grown, the Jaccard index of successive "
        "masks, and the weights ever active."
    ),
    "training_curves": (
        "Training loss and test accuracy by epoch, with the pruning window shaded."
    ),
    "run_overview": (
        "Seconds and memory of every training, and how many completed, failed or are missing."
    ),
    "seed_pairs": (
        "Deviations of fggp from its means over those of each rival, seed by seed, with their "
        "correlation."
    ),
}
"""What each of `fggp.analysis.catalogue.FIGURES` shows."""


class Picture(NamedTuple):
    """A figure: its name in words, where it lies from the page, and its other forms."""

    name: str
    path: str
    alt: str
    others: dict[str, str]


def pictures(study_folder: Path) -> dict[str, list[Picture]]:
    """Return the figures of a study that are there, by head."""
    found = {
        head: [_picture(study_folder, name) for name in names if _path(study_folder, name).exists()]
        for head, names in FIGURES_UNDER.items()
    }
    return {head: those for head, those in found.items() if those}


def _picture(study_folder: Path, name: str) -> Picture:
    others = {
        form: f"figures/{name}.{form}"
        for form in ("pdf", "csv")
        if _path(study_folder, name, form).exists()
    }
    return Picture(name.replace("_", " "), f"figures/{name}.png", SHOWS[name], others)


def _path(study_folder: Path, name: str, form: str = "png") -> Path:
    return study_folder / "figures" / f"{name}.{form}"
