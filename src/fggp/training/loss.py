"""The loss of a training: cross-entropy, with label smoothing if the cell asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

from torch.nn.functional import cross_entropy

from fggp.pruning.mask_update import Loss
from fggp.study.cell import Training
from fggp.study.verdict import entropy


def loss_of(training: Training) -> Loss:
    """Return the mean loss of outputs (B, classes) and labels (B,).

    With label smoothing ε the target is 1 − ε + ε/C for the label and ε/C for each other class
    (Szegedy et al. 2016, arXiv 1512.00567).
    """
    smoothing = float(training.label_smoothing)
    return partial(cross_entropy, label_smoothing=smoothing) if smoothing else cross_entropy


def best_constant(counts: Sequence[int], smoothing: Fraction) -> float:
    """Return the loss of the best constant answer, given the number of labels of each class."""
    total, classes = sum(counts), len(counts)
    smoothed = [(1 - smoothing) * count + smoothing * total / classes for count in counts]
    return entropy([float(it) for it in smoothed] if smoothing else counts)
