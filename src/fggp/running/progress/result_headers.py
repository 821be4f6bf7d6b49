"""The cells of a study and their results, at a glance: thousands in less than a second.

Of a result file the beginning and the end are read, where its cell, its numerics version and its
provenance stand; what lies between is not looked at.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fggp.foundation.errors import ResultError
from fggp.foundation.exact import percent, plain, ratio
from fggp.study.cell import Cell
from fggp.study.config import Study, cells, load
from fggp.study.result_file import NUMERICS, SCHEMA, kept, read
from fggp.study.stored_results import cell_of, filled
from fggp.study.study_folder import listing

Plain = dict[str, Any]

HEAD, TAIL = 6000, 3000
START = f'{{\n "schema": {SCHEMA},\n "cell": '
OUTCOME = re.compile(r',\s*"outcome": \{\s*"numerics": (\d+),\s*"verdict": "([^"]*)"')
PROVENANCE = '"provenance": '
DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Expected:
    """The cells that a study should hold, as plain data, by name."""

    study: str
    configuration: Plain
    cells: Mapping[str, Plain]


@dataclass(frozen=True)
class Done:
    """What a result says of itself: how it came out, and what it took.

    Attributes:
        verdict: of the outcome.
        seconds: of the training.
        device: "cpu" or "cuda", and the full name.
        images_per_second: of training; None in older results.
        joules: its energy; None where that was not measured.

    """

    verdict: str
    seconds: float
    device: tuple[str, str]
    images_per_second: float | None = None
    joules: float | None = None


def expected(home: Path, configuration: Path | None) -> Expected:
    """Return the cells that a study should hold.

    Args:
        home: its results folder; ``cells.json`` there is used where it fits the configuration.
        configuration: its file; without one ``cells.json`` alone says what the study is.

    Raises:
        Failure: where the configuration, or without one ``cells.json``, cannot be used.

    """
    if configuration is None:
        return _listed(home)
    study = load(configuration)
    wanted = study.model_dump(mode="json")
    try:
        found = _listed(home)
    except ResultError:
        found = None
    if found is not None and found.configuration == wanted:
        return found
    return Expected(home.name, wanted, plain_cells(study))


def done(wanted: Plain, path: str) -> Done | None:
    """Return what the result of exactly this cell says, from ``path`` or its copy, if it is there.

    Args:
        wanted: the cell as plain data, without the checksum of its data.
        path: of its result file; a text, since thousands of `Path` take longer than the files.

    """
    return _matching(wanted, path) or _matching(wanted, str(kept(Path(path))))


def _matching(wanted: Plain, path: str) -> Done | None:
    try:
        head, tail = _ends(path)
        if not head.startswith(START):
            raise ValueError("not laid out as this version writes it")
        cell, end = DECODER.raw_decode(head, len(START))
        numerics, verdict = OUTCOME.match(head, end).groups()  # type: ignore[union-attr]
        provenance, last = DECODER.raw_decode(tail, tail.rindex(PROVENANCE) + len(PROVENANCE))
        if tail[last:].split() != ["}"]:
            raise ValueError("cut short")
        cell["data"].pop("sha256", None)
        found = _said(verdict, provenance)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return _slowly(wanted, Path(path))
    if int(numerics) != NUMERICS or not (cell == wanted or _equal(cell, wanted)):
        return None
    return found


def _slowly(wanted: Plain, path: Path) -> Done | None:
    """Read a whole result, where its ends are not as this version writes them."""
    try:
        result = read(path)
        equal = cell_of(result) == filled(Cell(**wanted))
        outcome = result["outcome"]
        found = _said(str(outcome.get("verdict")), result["provenance"])
    except (ResultError, ValueError, KeyError, TypeError):
        return None
    return found if equal and outcome.get("numerics") == NUMERICS else None


def _said(verdict: str, provenance: Plain) -> Done:
    device = (str(provenance.get("device")), str(provenance.get("device_name")))
    speed, joules = (provenance.get(name) for name in ("images_per_second", "energy_joules"))
    return Done(
        verdict,
        float(provenance["seconds"]),
        device,
        None if speed is None else float(speed),
        None if joules is None else float(joules),
    )


def _equal(cell: Plain, wanted: Plain) -> bool:
    """Whether a stored cell is the wanted one, where later settings have what they were then."""
    if not _within(cell, wanted):
        return False
    try:
        return filled(Cell(**cell)) == filled(Cell(**wanted))
    except ValidationError:
        return False


def _within(part: Any, whole: Any) -> bool:
    """Whether all that one says is in the other; after a change of a study that rules out most."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and _within(part[key], whole[key]) for key in part)
    return bool(part == whole)


def _ends(path: str) -> tuple[str, str]:
    handle = os.open(path, os.O_RDONLY)
    try:
        head = os.pread(handle, HEAD, 0)
        tail = os.pread(handle, TAIL, max(0, os.fstat(handle).st_size - TAIL))
    finally:
        os.close(handle)
    return head.decode(errors="replace"), tail.decode(errors="replace")


def _listed(home: Path) -> Expected:
    with listing(home) as content:
        named = {_name(cell): cell for cell in content["cells"]}
        return Expected(home.name, content["configuration"], named)


def _name(cell: Plain) -> str:
    """Return the name of a plain cell, as `fggp.study.cell.Cell.id` has it."""
    start = cell["initial_sparsity"]
    setting = f"{cell['backbone']['name']}/s{_percent(cell['sparsity'])}"
    begin = "any" if start is None else _percent(start)
    return f"{setting}/i{begin}/{cell['label']}/seed{cell['seed']}"


@cache
def _percent(share: float | str) -> str:
    return percent(ratio(share))


def plain_cells(study: Study) -> dict[str, Plain]:
    """Return the cells of a study as plain data, by name, in training order."""
    # Cells of one backbone and label differ in sparsity, start and seed alone.
    bases: dict[tuple[str, str], Plain] = {}
    found = {}
    for cell in cells(study):
        key = (cell.backbone.name, cell.label)
        if key not in bases:
            bases[key] = cell.plain()
        start = cell.initial_sparsity
        found[cell.id] = bases[key] | {
            "sparsity": plain(cell.sparsity),
            "initial_sparsity": None if start is None else plain(start),
            "seed": cell.seed,
        }
    return found
