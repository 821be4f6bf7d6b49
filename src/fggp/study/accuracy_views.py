"""Three measures of accuracy, all as numbers of correct test images."""

from __future__ import annotations

from collections.abc import Sequence

from fggp.study.outcome import Accuracy, Epoch, View


def views(
    epochs: Sequence[Epoch], first_full: int, window_end: int, *, validated: bool = True
) -> Accuracy:
    """Choose the epoch of each view from the records of all epochs.

    ``last`` is the primary view. ``best_validation`` considers the epochs from ``first_full`` on,
    where the network is at its target sparsity; without validation images (``validated`` is false)
    it is left out. ``best_test`` considers the epochs after the pruning window and chooses on the
    test set: it is the optimistic protocol of published tables, and serves only to compare with
    them. The earlier epoch wins a tie. A trained network that is only fine-tuned may have no epoch
    after the window; then this is the last epoch.
    """
    full = [row for row in epochs if row.epoch >= first_full]
    after = [row for row in epochs if row.epoch > window_end] or [epochs[-1]]
    chosen = {"last": epochs[-1]}
    if validated:
        chosen["best_validation"] = max(full, key=lambda row: row.validation_correct)
    chosen["best_test"] = max(after, key=lambda row: row.test_correct)
    return Accuracy(**{name: _view(row) for name, row in chosen.items()})


def first_full_epoch(epochs: Sequence[Epoch]) -> int:
    """Return the first epoch from which on all evaluations have the final number of weights."""
    below = [row.epoch for row in epochs if row.kept != epochs[-1].kept]
    return max(below, default=0) + 1


def _view(row: Epoch) -> View:
    return View(epoch=row.epoch, correct=row.test_correct)
