"""The method of a cell: its parts, and its updates timed in steps."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from fggp.foundation.errors import Failure
from fggp.methods import find
from fggp.pruning.recipe import Recipe
from fggp.pruning.timing import Method, Timing, epochs_of
from fggp.study.cell import Cell


def recipe_of(cell: Cell) -> Recipe:
    """Return the parts of a cell's method."""
    return find(cell.method.name).recipe(**cell.method.settings)


def method_of(cell: Cell, steps_per_epoch: int) -> Method:
    """Return the method of a cell, timed in steps; raises Failure where that is not possible."""
    recipe, pruning, sparsity = recipe_of(cell), cell.pruning, cell.sparsity
    epochs = epochs_of(recipe, cell.training.epochs, sparsity)
    steps = len(epochs) * steps_per_epoch
    timing = Timing(
        steps=steps,
        begin=pruning.begin_epoch * steps_per_epoch,
        end=pruning.end(steps, steps_per_epoch),
        every=pruning.update_every,
    )
    if recipe.rounds is not None:
        rewind = floor(recipe.rounds.rewind * cell.training.epochs) * steps_per_epoch
        length = cell.training.epochs * steps_per_epoch
        timing = Timing.in_rounds(length, rewind, recipe.rounds.number(sparsity))
    if recipe.narrow:
        sparsity = Fraction(0)  # the network itself is smaller; nothing in it is pruned
    try:
        return Method.of(cell.label, recipe, sparsity, cell.initial_sparsity, timing)
    except ValueError as error:
        raise Failure(f"{cell.id}: {error}") from None


def learning_rate(cell: Cell, epoch: int) -> Fraction:
    """Return the learning rate in an epoch of the protocol, counted from 1."""
    training = cell.training
    passed = sum(epoch > int(training.epochs * milestone) for milestone in training.lr_milestones)
    return training.lr * training.lr_decay**passed
