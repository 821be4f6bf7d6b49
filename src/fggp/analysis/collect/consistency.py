"""Checks that results may share a table; every refusal is one line with examples and the fix."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

from fggp.foundation.errors import ResultError
from fggp.methods import METHODS
from fggp.study.cell import Cell
from fggp.study.result_file import NUMERICS, kept
from fggp.study.stored_results import StoredResult, finished
from fggp.study.study_folder import run_path
from fggp.study.verdict import DIVERGED, FAILURES


def collect(study_folder: Path, cells: Sequence[Cell], *, partial: bool) -> list[StoredResult]:
    """Return the results of ``cells`` in their order.

    A result that Snakemake removed because another cell in its job failed is read from its copy.
    Raises ResultError if a result is missing (unless ``partial``), is damaged, is duplicated, or
    belongs to a cell with other settings. Other files of the folder are not checked further.
    """
    paths = {run_path(study_folder, cell): cell for cell in cells}
    there = {path: stored_path(path, cell) for path, cell in paths.items()}
    missing = [path for path, stored in there.items() if stored is None]
    if missing and not partial:
        raise ResultError(
            f"{len(missing)} of {len(paths)} results are missing ({_some(missing)}); train them "
            f"with `fggp run {quote(study_folder.name)}`, or pass --partial"
        )
    found = [
        replace(StoredResult.read(stored), path=path) for path, stored in there.items() if stored
    ]
    _refuse_twins(found, _strays(study_folder / "runs", set(paths)))
    _refuse_other_settings(found, paths, study_folder.name)
    return found


def stored_path(path: Path, cell: Cell) -> Path | None:
    """Return the path of a result, or of its copy if the result is missing; None without both."""
    if path.exists():
        return path
    return kept(path) if finished(cell, kept(path)) else None


def check(found: Sequence[StoredResult], study: str, *, allow_mixed_device: bool) -> bool:
    """Check that results may share a table; return whether CPU and CUDA are mixed.

    Raises ResultError on results off their target, and on mixed numerics versions, data or (unless
    ``allow_mixed_device``) devices. Mixed code or PyTorch versions are reported on stderr, and so
    are trainings that moved between types of devices.
    """
    _refuse_off_target(found, study)
    numerics = _groups(found, lambda item: item.outcome.numerics)
    if len(numerics) > 1:
        raise ResultError(
            f"numerics versions are mixed: {_tally(numerics)}; `fggp run {quote(study)}` "
            f"retrains those of other versions than {NUMERICS}"
        )
    data = _groups(found, lambda item: str(item.data_sha256)[:12])
    if len(data) > 1:
        raise ResultError(
            f"data checksums are mixed: {_tally(data)}; delete the results of the wrong data and "
            "their copies (.NAME.kept.json next to them), and run "
            f"`fggp run {quote(study)}`"
        )
    devices = _groups(found, lambda item: item.provenance.device)
    if len(devices) > 1 and not allow_mixed_device:
        raise ResultError(
            f"devices are mixed: {_tally(devices)}; train all on one, or pass "
            "--allow-mixed-device, which marks the tables"
        )
    _warn("code versions", _groups(found, lambda it: it.provenance.code_sha256[:12]))
    _warn("PyTorch versions", _groups(found, lambda it: it.provenance.versions.torch))
    _warn_of_moved(found)
    return len(devices) > 1


def _strays(runs: Path, expected: set[Path]) -> list[tuple[Path, Cell]]:
    """Return the readable results of ``runs`` that are not at an expected path."""
    strays = []
    for path in sorted(runs.rglob("*.json")):
        if path in expected or path.name.startswith("."):
            continue
        try:
            strays.append((path, StoredResult.read(path).cell))
        except ResultError:
            continue  # not part of this study: nothing is read from it
    return strays


def _refuse_twins(found: Sequence[StoredResult], strays: Sequence[tuple[Path, Cell]]) -> None:
    held: dict[str, list[Path]] = {}
    for path, cell in [*((item.path, item.cell) for item in found), *strays]:
        held.setdefault(cell.canonical(), []).append(path)
    twins = [" and ".join(map(str, paths)) for paths in held.values() if len(paths) > 1]
    if twins:
        raise ResultError(
            f"{len(twins)} {'cell has' if len(twins) == 1 else 'cells have'} more than one result "
            f"({_some(twins, '; ')}); keep the file whose path names the cell, delete the other"
        )


def _refuse_other_settings(
    found: Sequence[StoredResult], wanted: Mapping[Path, Cell], study: str
) -> None:
    other = [
        f"{item.path}: {_difference(item.cell.plain(), wanted[item.path].plain())}"
        for item in found
        if not item.belongs_to(wanted[item.path])
    ]
    if other:
        raise ResultError(
            f"{len(other)} of {len(found)} results were trained with other settings "
            f"({_some(other, '; ')}); `fggp run {quote(study)}` retrains exactly these; "
            "to keep them, restore the settings of the study"
        )


def _refuse_off_target(found: Sequence[StoredResult], study: str) -> None:
    off = [f"{item.path}: {fault}" for item in found if (fault := _fault(item))]
    if off:
        raise ResultError(
            f"{len(off)} of {len(found)} results are off their target ({_some(off, '; ')}); delete "
            "them and their copies (.NAME.kept.json next to them), and run "
            f"`fggp run {quote(study)}`"
        )


def _fault(item: StoredResult) -> str:
    outcome = item.outcome
    if outcome.verdict == DIVERGED:
        return ""  # it may end before its last update, and NaN off the mask counts as nonzero
    name = item.cell.method.name
    exact = name not in METHODS or METHODS[name].exact
    if outcome.verdict in FAILURES and outcome.kept > outcome.target:
        exact = False  # it ended before its last update
    if exact and outcome.kept != outcome.target:
        return f"{outcome.kept} weights are kept, but the target is {outcome.target}"
    for layer in outcome.layers:
        if layer.nonzero > layer.kept:
            found = f"{layer.nonzero} weights are nonzero"
            return f"{found} in {layer.name}, but its mask keeps {layer.kept}"
    return ""


def _groups(
    found: Sequence[StoredResult], value: Callable[[StoredResult], Any]
) -> dict[Any, list[Path]]:
    groups: dict[Any, list[Path]] = {}
    for item in found:
        groups.setdefault(value(item), []).append(item.path)
    return groups


def _warn(what: str, groups: dict[Any, list[Path]]) -> None:
    if len(groups) > 1:
        print(f"fggp: {what} are mixed: {_tally(groups)}", file=sys.stderr)


def _warn_of_moved(found: Sequence[StoredResult]) -> None:
    moved = [f"{it.path}: {it.provenance.devices}" for it in found if it.provenance.moved]
    if moved:
        print(
            f"fggp: trained on several types of devices, whose bits differ: {len(moved)} of "
            f"{len(found)} results ({_some(moved, '; ')})",
            file=sys.stderr,
        )


def _tally(groups: dict[Any, list[Path]]) -> str:
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    return _some([f"{value} in {len(paths)} ({paths[0]})" for value, paths in ordered])


def _some(items: Sequence[object], separator: str = ", ") -> str:
    more = f"{separator}…" if len(items) > 3 else ""
    return separator.join(str(item) for item in items[:3]) + more


def _difference(stored: dict[str, Any], wanted: dict[str, Any]) -> str:
    there, here = dict(_leaves(stored)), dict(_leaves(wanted))
    key = next(key for key in (here | there) if there.get(key, key) != here.get(key, key))
    values = [json.dumps(side[key]) if key in side else "absent" for side in (there, here)]
    return f"{key} is {values[0]} there and {values[1]} in the study"


def _leaves(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item
