"""The tables and figures by name, under the heads that the report has; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping

RESULTS, ABLATIONS, DIAGNOSTICS, PROVENANCE = "Results", "Ablations", "Diagnostics", "Provenance"

TABLES_UNDER: Mapping[str, tuple[str, ...]] = {
    RESULTS: (
        "ranking",
        "ranking_all",
        "settings",
        "comparisons",
        "per_setting",
        "tests",
        "leave_out",
        "power",
        "claims",
    ),
    DIAGNOSTICS: ("costs",),
    PROVENANCE: ("provenance",),
}

FIGURES_UNDER: Mapping[str, tuple[str, ...]] = {
    RESULTS: (
        "accuracy_vs_sparsity",
        "drop_to_dense",
        "accuracy_vs_flops",
        "forest",
        "win_tie_loss",
        "rank_heatmap",
        "critical_difference",
    ),
    ABLATIONS: ("rate_ablation", "order_schedule"),
    DIAGNOSTICS: (
        "layer_density",
        "sparsity_schedule",
        "mask_churn",
        "training_curves",
        "run_overview",
        "seed_pairs",
    ),
}


def listed(under: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return all names in their order."""
    return tuple(name for names in under.values() for name in names)


def heads(under: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return the head that each name stands under."""
    return {name: head for head, names in under.items() for name in names}


TABLES, FIGURES = listed(TABLES_UNDER), listed(FIGURES_UNDER)
PAGE = "page.html"
"""The page of a study, in its folder."""
