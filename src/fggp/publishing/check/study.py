"""All checks of one study or of a folder of studies, in one order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import ValidationError

from fggp.analysis.collect.consistency import stored_path
from fggp.foundation.errors import Failure, ResultError
from fggp.foundation.validation import explain
from fggp.methods import METHODS
from fggp.publishing.check import across_results as together
from fggp.publishing.check import convergence, times
from fggp.publishing.check import epochs as curves
from fggp.publishing.check import sidecar_files as beside
from fggp.publishing.check import weight_counts as counts
from fggp.publishing.check.problems import Item, Problem
from fggp.study.cell import Cell
from fggp.study.config import Study, cells
from fggp.study.result_file import kept
from fggp.study.stored_results import filled, in_canonical_form
from fggp.study.study_folder import RUNS, read_expected, run_path

Check = Callable[[Item], Iterator[Problem]]
EACH: tuple[Check, ...] = (
    curves.images,
    curves.epochs,
    curves.accuracies,
    counts.target,
    counts.layers,
    counts.work,
    counts.updates,
    times.times,
    convergence.convergence,
    beside.beside,
)


@dataclass
class Report:
    """The outcome of checking one study.

    Attributes:
        folder: folder of the study.
        expected: the cells that it should have.
        items: the results that could be read, at their places.
        problems: errors and warnings in the order of the files.
        configuration: configuration in ``cells.json``, as plain data.

    """

    folder: Path
    expected: list[Cell] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    configuration: dict[str, Any] = field(default_factory=dict)

    @property
    def cells(self) -> int:
        """The number of cells that it should have."""
        return len(self.expected)

    @property
    def complete(self) -> bool:
        """Whether every cell has a result."""
        found = {item.path for item in self.items}
        return all(run_path(self.folder, cell) in found for cell in self.expected)

    @property
    def green(self) -> bool:
        """Whether there is no error."""
        return all(problem.level != "error" for problem in self.problems)


def studies(folder: Path) -> list[Path]:
    """Return ``folder`` if it is a study, else the studies in it; raises Failure without any."""
    if not folder.is_dir():
        raise Failure(f"{folder}: no such folder; name the folder of one study or of several")
    if (folder / "cells.json").exists() or (folder / RUNS).exists():
        return [folder]
    marks = [path.parent for name in ("cells.json", RUNS) for path in folder.rglob(name)]
    found = sorted({path for path in marks if RUNS not in path.relative_to(folder).parts})
    if not found:
        raise Failure(f"{folder}: not a study (no cells.json and runs/); name another folder")
    return found


def check(folder: Path, *, complete: bool = False) -> Report:
    """Check a study; with ``complete``, a cell without a result is an error."""
    report = Report(folder)
    try:
        report.configuration, expected = read_expected(folder)
    except ResultError as error:
        report.problems.append(Problem.of(error, folder / "cells.json", "listing"))
        return report
    report.expected = expected
    report.problems += _listing(folder, report.configuration, expected)
    paths = {run_path(folder, cell): cell for cell in expected}
    visible = [it for it in (folder / RUNS).rglob("*.json") if not it.name.startswith(".")]
    # A result that Snakemake removed because another cell of its job failed is read from its copy.
    copied = set()
    for path, cell in paths.items():
        try:
            if stored_path(path, cell) == kept(path):
                copied.add(path)
        except ResultError as error:
            report.problems.append(Problem.of(error, kept(path), "schema"))
    found = {*visible, *copied}
    for path in sorted(found):
        report.problems += _one(report, path, paths)
    report.problems += _orphans(folder / RUNS)
    if complete:
        report.problems += [_missing(it, folder) for it in paths if it not in found]
    allowed = bool(report.configuration.get("allow_mixed_device"))
    report.problems += together.mixed(report.items, mixed_device=allowed)
    report.problems += together.twins(report.items)
    return report


def _one(report: Report, path: Path, expected: dict[Path, Cell]) -> Iterator[Problem]:
    try:
        item = Item.read(path) if path.exists() else replace(Item.read(kept(path)), path=path)
    except ResultError as error:
        yield Problem.of(error, path, "schema")
        return
    if not in_canonical_form(item.result["cell"]):
        fix = "restore the file that the training wrote"
        yield item.problem("schema", "its cell is not in canonical form", fix)
        return
    report.items.append(item)
    named = run_path(report.folder, item.cell)
    if path != named:
        yield item.problem("path", f"it belongs to the cell {item.cell.id}", f"move it to {named}")
        return
    if path not in expected:
        fix = "remove it, or rewrite cells.json from the configuration that it belongs to"
        yield item.problem("stray", "cells.json has no such cell", fix)
    elif not item.belongs_to(expected[path]):
        fix = "rewrite cells.json, or train the cell again with the study's settings"
        yield item.problem("settings", "its cell has other settings than cells.json", fix)
    name = item.cell.method.name
    if name not in METHODS:
        yield item.problem("method", f"unknown method {name!r}", "restore its file")
        return
    try:
        METHODS[name].recipe(**item.cell.method.settings)
    except ValueError as error:
        text = f"its settings are not valid for {name} ({' '.join(str(error).split())[:100]})"
        yield item.problem("method", text, "restore the settings that its file had")
        return
    for check_one in EACH:
        yield from check_one(item)


def _listing(
    folder: Path, configuration: dict[str, Any], expected: Sequence[Cell]
) -> Iterator[Problem]:
    """Check that the listed cells are those of the listed configuration, each once."""
    path = folder / "cells.json"
    fix = f"write it with `fggp plan {quote(folder.name)} --write`"
    ids = [cell.id for cell in expected]
    if len(set(ids)) < len(ids):
        yield Problem(path, "listing", "duplicate cell", fix)
        return
    try:
        listed = [filled(cell) for cell in cells(Study.model_validate(configuration))]
    except ValidationError as error:
        yield Problem(path, "listing", f"its configuration: {explain(error, Study)}", fix)
        return
    except (KeyError, TypeError) as error:
        yield Problem(path, "listing", f"its configuration names an unknown method {error}", fix)
        return
    if listed != list(expected):
        other = {cell.canonical() for cell in listed} ^ {cell.canonical() for cell in expected}
        text = f"its cells are not those of its configuration ({len(other)} differ)"
        yield Problem(path, "listing", text, fix)


def _orphans(runs: Path) -> Iterator[Problem]:
    """Report logits and weights without a result or its hidden copy."""
    for suffix in (".logits.npz", ".weights.fggp"):
        for path in sorted(runs.rglob(f"*{suffix}")):
            result = path.with_name(path.name.removesuffix(suffix) + ".json")
            if not result.exists() and not kept(result).exists():
                text = f"its result {result.name} is missing"
                yield Problem(path, beside.KIND, text, "restore that, or delete this file")


def _missing(path: Path, folder: Path) -> Problem:
    fix = f"train it with `fggp run {quote(folder.name)}`, or omit --complete"
    return Problem(path, "missing", "listed in cells.json but missing", fix)
