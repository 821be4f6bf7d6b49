"""Checks of weight counts: kept weights, nonzero weights, and the target."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import prod

from fggp.foundation.errors import Failure
from fggp.foundation.exact import kept_count
from fggp.methods import METHODS
from fggp.pruning.recipe import Recipe
from fggp.pruning.rules import grows
from fggp.pruning.timing import Method
from fggp.publishing.check.problems import Item, Problem
from fggp.study.protocol import method_of, recipe_of
from fggp.study.verdict import CHANCE, DISCONNECTED, DIVERGED

KIND = "counts"


def target(item: Item) -> Iterator[Problem]:
    """Check the number of prunable weights, the target, and that it is met exactly."""
    outcome, cell = item.outcome, item.cell
    size = sum(prod(layer.shape) for layer in outcome.layers)
    total = outcome.kept
    prunable, wanted = outcome.prunable, outcome.target
    if size > prunable or (size < prunable and not recipe_of(cell).narrow):
        yield item.problem(KIND, f"its layers have {size} weights, but prunable is {prunable}")
    if wanted != kept_count(prunable, cell.sparsity):
        exact = kept_count(prunable, cell.sparsity)
        yield item.problem(KIND, f"target is {wanted}; {prunable} weights leave {exact}")
    if item.completed and METHODS[cell.method.name].exact and total != wanted:
        yield item.problem(KIND, f"{total} weights are kept, but the target is {wanted}")
    if (
        outcome.verdict in {DISCONNECTED, CHANCE}
        and METHODS[cell.method.name].exact
        and total < wanted
    ):
        yield item.problem(KIND, f"{total} weights are kept, fewer than the target of {wanted}")
    last = outcome.epochs[-1].kept
    if item.completed and last != total:
        yield item.problem(KIND, f"the last epoch keeps {last} weights, but the layers {total}")


def layers(item: Item) -> Iterator[Problem]:
    """Check each layer against its own shape and mask."""
    asked = item.cell.pruning.dense
    dense = {*asked, *(f"{name}.weight" for name in asked)}
    for place, layer in enumerate(item.outcome.layers):
        size, name = prod(layer.shape), layer.name
        if layer.kept < size and (name in dense or ("first" in dense and not place)):
            yield item.problem(
                KIND, f"{name} stays dense, and keeps {layer.kept} of {size} weights"
            )
        if layer.kept > size:
            yield item.problem(KIND, f"{name} keeps {layer.kept} of {size} weights")
        # Where training diverged, NaN off the mask counts as nonzero.
        if item.outcome.verdict != DIVERGED and layer.nonzero > layer.kept:
            text = f"{name} has {layer.nonzero} nonzero weights"
            yield item.problem(KIND, f"{text}, but its mask keeps {layer.kept}")


def work(item: Item) -> Iterator[Problem]:
    """Check the multiplications and the explored weights, where they are recorded."""
    outcome = item.outcome
    explored, dense, inference = outcome.explored, outcome.dense_macs, outcome.inference_macs
    names = ("explored", "dense_macs", "inference_macs", "training_macs")
    recorded = [name for name in names if getattr(outcome, name) is not None]
    layers = [layer.macs for layer in outcome.layers if layer.macs is not None]
    if not recorded:
        return
    if explored is None or dense is None or inference is None or outcome.training_macs is None:
        yield item.problem(KIND, f"it has only these diagnostics: {', '.join(recorded)}")
    elif len(layers) < len(outcome.layers):
        yield item.problem(KIND, "some of its layers lack the multiplications")
    else:
        if sum(layers) != inference or sum(layers) > dense:
            macs = f"inference_macs {inference}, dense_macs {dense}"
            yield item.problem(KIND, f"{macs}, but the sum of its layers is {sum(layers)}")
        if not outcome.kept <= explored <= outcome.prunable:
            text = f"{explored} weights were ever active, {outcome.kept} are at the end"
            yield item.problem(KIND, f"{text}, of {outcome.prunable}")


def updates(item: Item) -> Iterator[Problem]:
    """Check the recorded mask updates: their order, times, counts and changes."""
    outcome = item.outcome
    records, names = outcome.updates, [layer.name for layer in outcome.layers]
    if any(len(record.kept) != len(names) for record in records):
        yield item.problem(KIND, f"an update does not list the {len(names)} layers")
        return
    if any(a.step >= b.step or a.update >= b.update for a, b in pairwise(records)):
        yield item.problem(KIND, "its mask updates are not in order")
        return
    try:
        method = method_of(item.cell, outcome.steps_per_epoch)
    except Failure as failure:
        yield item.problem(KIND, str(failure))
        return
    yield from _times(item, method)
    yield from _changes(item, method.recipe)


def _times(item: Item, method: Method) -> Iterator[Problem]:
    """Check that updates happened when they were due, all of them, at the scheduled count."""
    records, timing = item.outcome.updates, method.timing
    exact = METHODS[item.cell.method.name].exact
    for record in records:
        step, number, total = record.step, record.update, sum(record.kept)
        if step > timing.steps or method.update_at(step) != number:
            yield item.problem(KIND, f"mask update {number} at step {step} was not due there")
            return
        wanted = method.keep(number, item.outcome.prunable)
        if exact and total != wanted:
            text = f"mask update {number} keeps {total} weights, but its schedule gives {wanted}"
            yield item.problem(KIND, text)
            return
    # Where updates are more frequent than update_every, only some are recorded.
    if item.completed and timing.every >= item.cell.pruning.update_every:
        if records and records[-1].kept != [layer.kept for layer in item.outcome.layers]:
            yield item.problem(KIND, "its last mask update and its layers keep different weights")
        last = (timing.steps - timing.begin) // timing.every
        steps = (timing.begin + number * timing.every for number in range(1, last + 1))
        due = sum(method.update_at(step) is not None for step in steps)
        if due != len(records):
            yield item.problem(KIND, f"{len(records)} mask updates are recorded of {due}")


def _changes(item: Item, recipe: Recipe) -> Iterator[Problem]:
    """Check that weights are dropped and grown as counted, and grown only where the rule grows."""
    nested = not grows(recipe.rule)
    for before, record in pairwise(item.outcome.updates):
        number = record.update
        pairs = zip(before.kept, record.kept, strict=True)
        if nested and any(later > earlier for earlier, later in pairs):
            yield item.problem(
                KIND, f"a layer gained weights at update {number}, but its method grows none"
            )
            return
        if record.dropped is None or record.grown is None:
            continue
        change = sum(record.kept) - sum(before.kept)
        if record.grown - record.dropped != change or (nested and record.grown):
            counted = f"{record.grown} grown and {record.dropped} dropped"
            yield item.problem(
                KIND, f"update {number} has {counted}, its counts differ by {change}"
            )
            return
