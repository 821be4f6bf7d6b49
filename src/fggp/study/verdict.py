"""The verdict on a training, decided at the end of an epoch from recorded numbers alone.

A training that has failed ends there, and its ending is a result like any other. Stopping a
training that might still recover would bias a ranking, so only these verdicts end one:

- **diverged**: a loss, a weight or a running statistic is not finite. Proven: an average that
  includes such a number stays non-finite, and so does a weight to which steps are added.
- **disconnected**: under the masks no path leads from an input to an output
  (`fggp.training.connectivity`), and no later mask update can open one. Proven: whatever the
  weights become, the output is the same for every image, so the accuracy stays that of predicting
  one class.
- **chance**: in each of the last `patience` epochs the network predicted one class for all held-out
  images, and its training loss was no lower than 99 % of that of the best constant answer. Only
  epochs in the second half of a training, after the last mask update and at the last learning rate,
  count; a lower learning rate frees many stuck networks. Not proven: that the rest of the training,
  at most the part left after all these conditions, would have changed nothing. Accuracy at chance
  alone, or a loss that falls slowly, never ends a training.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log
from typing import Any, TypedDict

COMPLETED, DIVERGED, DISCONNECTED, CHANCE = "completed", "diverged", "disconnected", "chance"
FAILURES = {
    DIVERGED: "the loss or a weight is not finite",
    DISCONNECTED: "no path of kept weights leads from an input to an output, and none will",
    CHANCE: "all images get the same class, and the loss is no better than a constant answer's",
}
"""Verdicts that end a training, and what they mean."""

ENDINGS = {DIVERGED: "diverged", DISCONNECTED: "disconnected", CHANCE: "at chance"}
"""Words for a number of trainings with these verdicts."""


class Sign(TypedDict):
    """The numbers of one epoch that decide a verdict.

    Attributes:
        loss: mean training loss of the epoch; None where it is not finite.
        finite: whether all weights and running statistics are finite at its end.
        cut: whether input and output are permanently disconnected at its end.
        named: number of different classes predicted for the held-out images.
        settled: whether it lies in the second half of a training, after the last mask update, and
            at the last learning rate.

    """

    loss: float | None
    finite: bool
    cut: bool
    named: int
    settled: bool


def failure(signs: Sequence[Sign], epochs: int, guessing: float) -> str | None:
    """Return the verdict that ends a training after the last of ``signs``, or None.

    Args:
        signs: numbers of all epochs so far.
        epochs: number of epochs of one training.
        guessing: training loss of the best constant answer (`fggp.training.loss.best_constant`).

    """
    if not signs:
        return None
    if signs[-1]["loss"] is None or not signs[-1]["finite"]:
        return DIVERGED
    if signs[-1]["cut"]:
        return DISCONNECTED
    last = signs[-patience(epochs) :]
    stuck = len(last) == patience(epochs) and all(_idle(sign, guessing) for sign in last)
    return CHANCE if stuck else None


def patience(epochs: int) -> int:
    """Return the number of epochs that must be at chance: a tenth of a training, at least five."""
    return max(5, ceil(epochs / 10))


def entropy(counts: Sequence[float]) -> float:
    """Return the mean cross-entropy of the best constant answer to labels with these counts."""
    total = sum(counts)
    return -sum(count / total * log(count / total) for count in counts if count)


def words(outcome: dict[str, Any]) -> str:
    """Return the ending of a training, in words; accepts outcomes from before `FAILURES`."""
    verdict, last = outcome["verdict"], outcome["epochs"][-1]["epoch"]
    if verdict not in FAILURES:
        return f"{verdict} after epoch {last}"
    stopped = outcome.get("stopped", {})
    planned = f" of {stopped['epochs']}" if stopped else ""
    empty = stopped.get("empty_layers")
    left = f"; no weight is left in {', '.join(empty)}" if empty else ""
    return f"ended after epoch {last}{planned}, {ENDINGS[verdict]}: {FAILURES[verdict]}{left}"


def _idle(sign: Sign, guessing: float) -> bool:
    high = sign["loss"] is not None and sign["loss"] >= 0.99 * guessing > 0
    return sign["settled"] and sign["named"] == 1 and high
