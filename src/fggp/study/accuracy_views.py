"""Three views of accuracy, all as numbers of correct test images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def views(
    epochs: Sequence[dict[str, Any]], first_full: int, window_end: int, *, validated: bool = True
) -> dict[str, dict[str, int]]:
    """Choose the epoch of each view from the records of all epochs.

    ``last`` is the primary view. ``best_validation`` looks at the epochs from ``first_full`` on,
    where the network is at its target sparsity; where there are no validation images
    (``validated`` is false) it is left out. ``best_test`` looks at the epochs after the
    pruning window and chooses on the test set: it is the optimistic protocol of published tables,
    and serves only to compare with them. The earlier epoch wins a tie.
    """
    full = [row for row in epochs if row["epoch"] >= first_full]
    after = [row for row in epochs if row["epoch"] > window_end] or [epochs[-1]]
    chosen = {"last": epochs[-1]}
    if validated:
        chosen["best_validation"] = max(full, key=lambda row: row["validation_correct"])
    chosen["best_test"] = max(after, key=lambda row: row["test_correct"])
    return {
        name: {"epoch": row["epoch"], "correct": row["test_correct"]}
        for name, row in chosen.items()
    }
