"""Epochs: their order, learning rates and accuracies, and the three views taken from them."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, isclose

from fggp.foundation.errors import Failure
from fggp.pruning.timing import epochs_of
from fggp.publishing.check.problems import Item, Problem
from fggp.study.accuracy_views import first_full_epoch, views
from fggp.study.outcome import Accuracy, View
from fggp.study.protocol import learning_rate, method_of, recipe_of

KIND = "epochs"


def images(item: Item) -> Iterator[Problem]:
    """Check the numbers of images against those of the cell."""
    counts, asked, training = item.outcome.images, item.cell.data, item.cell.training
    if counts.validation != asked.validation:
        text = f"{counts.validation} validation images, but the cell asks for {asked.validation}"
        yield item.problem("images", text)
    if asked.train is not None and counts.train != asked.train:
        text = f"{counts.train} training images, but the cell asks for {asked.train}"
        yield item.problem("images", text)
    steps = ceil(counts.train / training.batch_size)
    if item.outcome.steps_per_epoch != steps:
        text = f"{item.outcome.steps_per_epoch} steps per epoch, but its images give {steps}"
        yield item.problem("images", text)


def epochs(item: Item) -> Iterator[Problem]:
    """Check that the epochs are those of the protocol, one after the other."""
    outcome, cell = item.outcome, item.cell
    records = outcome.epochs
    planned = epochs_of(recipe_of(cell), cell.training.epochs, cell.sparsity)
    if [record.epoch for record in records] != list(range(1, len(records) + 1)):
        yield item.problem(KIND, "its epochs are not consecutive from 1")
        return
    if len(records) > len(planned) or (item.completed and len(records) < len(planned)):
        yield item.problem(KIND, f"{len(records)} epochs of {len(planned)}")
        return
    if outcome.stopped and (item.completed or outcome.stopped.epochs != len(planned)):
        text = f"its verdict is {outcome.verdict}, and it was stopped"
        yield item.problem(KIND, f"{text} on its way to {outcome.stopped.epochs} epochs")
    lost = [record.epoch for record in records if record.train_loss is None]
    if lost and (item.completed or lost != [len(records)]):
        text = f"its verdict is {outcome.verdict}, epochs without a finite loss: {lost}"
        yield item.problem(KIND, text)
    for record, number in zip(records, planned, strict=False):
        rate = float(learning_rate(cell, number))
        if not isclose(record.lr, rate, rel_tol=1e-9):
            text = f"epoch {record.epoch} has learning rate {record.lr}, but its cell has {rate}"
            yield item.problem(KIND, text)
            return


def accuracies(item: Item) -> Iterator[Problem]:
    """Check that counts of correct images fit the images, and that the views fit the epochs."""
    outcome = item.outcome
    for record in outcome.epochs:
        for name in ("validation", "test"):
            correct, there = getattr(record, f"{name}_correct"), getattr(outcome.images, name)
            if correct > there:
                text = f"epoch {record.epoch}: {correct} correct of {there} {name} images"
                yield item.problem("accuracy", text)
                return
    try:
        wanted = _views(item)
    except Failure:
        return  # reported where updates are checked
    for name in type(wanted).model_fields:
        found, due = (_words(getattr(it, name)) for it in (outcome.accuracy, wanted))
        if found != due:
            text = f"{name} is {found}, but its epochs give {due}"
            yield item.problem("accuracy", text)


def _views(item: Item) -> Accuracy:
    records, steps = item.outcome.epochs, item.outcome.steps_per_epoch
    end = method_of(item.cell, steps).timing.end // steps
    validated = item.outcome.images.validation > 0
    return views(records, first_full_epoch(records), end, validated=validated)


def _words(view: View | None) -> str:
    if view is None:
        return "left out"
    return f"{view.correct} correct in epoch {view.epoch}"
