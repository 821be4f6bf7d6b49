"""Checks of results against each other: mixed versions, data and devices, and duplicates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fggp.methods.fggp import alone
from fggp.publishing.check.problems import Item, Level, Problem
from fggp.study.cell import Cell, canonical
from fggp.study.result_file import NUMERICS

Key = Callable[[Item], object]


def mixed(items: Sequence[Item], *, mixed_device: bool) -> Iterator[Problem]:
    """Check that all results are of one numerics version, one data file and one kind of device."""
    yield from _mixed(items, "numerics versions", lambda it: it.outcome.numerics, "error")
    yield from _mixed(items, "data checksums", _data, "error")
    level: Level = "warning" if mixed_device else "error"
    yield from _mixed(items, "devices", lambda it: it.provenance.device, level)
    torch, own = "versions of PyTorch", "versions of fggp"
    yield from _mixed(items, torch, lambda it: it.provenance.versions.torch, "warning")
    yield from _mixed(items, own, lambda it: it.provenance.versions.fggp, "warning")
    for item in items:
        if item.data_sha256 is None:
            yield item.problem("data", "the checksum of its data file is missing")
        if item.outcome.numerics > NUMERICS:
            text = f"numerics version {item.outcome.numerics}, but this program has {NUMERICS}"
            yield item.problem("numerics", text, "check it with the program that wrote it")


def twins(items: Sequence[Item]) -> Iterator[Problem]:
    """Check that no cell has two results, and no two cells the same one.

    A method may reach the same weights as another one, bit for bit, if a setting takes it to its
    limit; then seed, setting and protocol are the same. Everything else is a copy.
    """
    for one, other in _equal(items, lambda it: it.cell.canonical()):
        text = f"the same cell as {other.path}"
        yield one.problem("twice", text, "keep the file whose path names the cell, delete this one")
    for one, other in _equal(items, lambda it: it.outcome.weights_sha256):
        text = f"the same final weights as {other.path}, another cell"
        if one.cell == other.cell or _limit(one.cell) == _limit(other.cell) is not None:
            continue
        if _one_method(one.cell, other.cell):
            fix = "a setting that makes no difference here; else train the cell again"
            yield one.problem("twice", text, fix, "warning")
        else:
            yield one.problem("twice", text)
    for one, other in _equal(items, _curve):
        different = one.outcome.weights_sha256 != other.outcome.weights_sha256
        if one.cell.seed != other.cell.seed and different:
            text = f"the same losses and accuracies as {other.path}, another seed"
            yield one.problem("twice", text)


def _mixed(items: Sequence[Item], what: str, key: Key, level: Level) -> Iterator[Problem]:
    groups: dict[object, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    for value, group in ordered[1:]:
        most, count = ordered[0][0], len(ordered[0][1])
        text = f"{what} are mixed: {value} here and in {len(group) - 1} more, {most} in {count}"
        fix = (
            "train all with one" if level == "error" else "state it wherever the results are shown"
        )
        yield group[0].problem(what, text, fix, level)


def _data(item: Item) -> object:
    return str(item.data_sha256)[:12]


def _equal(items: Sequence[Item], key: Key) -> Iterator[tuple[Item, Item]]:
    """Yield every further item of equal key with the first one, which is at its own path."""
    groups: dict[object, list[Item]] = {}
    for item in sorted(items, key=lambda it: not it.path.as_posix().endswith(f"{it.cell.id}.json")):
        groups.setdefault(key(item), []).append(item)
    for first, *more in groups.values():
        yield from ((item, first) for item in more)


def _curve(item: Item) -> str:
    names = ("train_loss", "validation_correct", "test_correct")
    return canonical([[getattr(epoch, name) for name in names] for epoch in item.outcome.epochs])


def _one_method(one: Cell, other: Cell) -> bool:
    """Whether two cells differ only in the settings of one method."""
    return one.method.name == other.method.name and _elsewhere(one) == _elsewhere(other)


def _elsewhere(cell: Cell) -> dict[str, Any]:
    """Return all of a cell except its label and its method."""
    return cell.model_dump(exclude={"label", "method"})


def _limit(cell: Cell) -> tuple[tuple[str, ...], Any, dict[str, Any]] | None:
    """Return the one criterion that a method reduces to, its scope, and the rest of the cell.

    The magnitude is a criterion together with the weights that it reads.
    """
    name, settings = cell.method.name, cell.method.settings
    if name == "gmp":
        return ("magnitude", settings["weights"]), settings["scope"], _elsewhere(cell)
    plain = {"grow": "none", "gradient_steps": 1, "floor": 0}
    if name != "fggp" or any(settings[key] != value for key, value in plain.items()):
        return None
    criterion = alone(settings)
    if criterion is None:
        return None
    reads = (criterion, settings["weights"]) if criterion == "magnitude" else (criterion,)
    return reads, settings["scope"], _elsewhere(cell)
