"""Checks that training converged: a result outside a plausible band is a warning, not an error."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from fggp.foundation.errors import ResultError
from fggp.publishing.check.problems import Item, Problem
from fggp.storage.logits import read_logits
from fggp.study.result_file import logits_path

KIND = "convergence"
ABOVE_CHANCE = 3.0
"""Standard deviations of guessing by which the last epoch must be above it."""
BAND = 0.05
"""Share of the test images by which the last epoch may differ from the best validation epoch."""


def convergence(item: Item) -> Iterator[Problem]:
    """Check that the last epoch is above chance, and near the best validation epoch."""
    outcome = item.outcome
    if not item.completed:
        text = f"its verdict after {len(outcome.epochs)} epochs is {outcome.verdict}"
        yield item.problem(KIND, text, "it counts as a result; see its log", "warning")
        return
    images, classes = outcome.images.test, _classes(item)
    last = outcome.accuracy.last.correct
    chance = 1 / classes if classes else 0
    least = images * chance + ABOVE_CHANCE * sqrt(images * chance * (1 - chance))
    if last <= least:
        text = f"{last} of {images} test images, but guessing gives up to {least:.0f}"
        yield item.problem(KIND, text, "see its log, or lower the learning rate", "warning")
    best = outcome.accuracy.best_validation
    if best is not None and abs(best.correct - last) > BAND * images:
        text = f"{last} correct in the last epoch, {best.correct} in the best validation epoch"
        fix = f"the band is {BAND:.0%} of {images} images; see its log"
        yield item.problem(KIND, text, fix, "warning")


def _classes(item: Item) -> int | None:
    """Return the number of classes; None if it is not known.

    The last layer of a network from outside the package need not be its classifier.
    """
    if item.cell.backbone.source is None:
        return int(item.outcome.layers[-1].shape[0])
    try:
        return int(read_logits(logits_path(item.path))[0].shape[1])
    except ResultError:
        return None  # missing or damaged, which is checked elsewhere
