"""The result file: one per cell, in three blocks, written atomically.

``cell`` is the request, ``outcome`` its result, ``provenance`` the place and time. Two
results are the same when the canonical bytes of ``cell`` and ``outcome`` are equal.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from fggp.foundation.errors import IntactResultError, ResultError
from fggp.foundation.files import is_refusal, refusal, write_text
from fggp.foundation.validation import explain
from fggp.study.cell import Cell, canonical
from fggp.study.outcome import Outcome, Provenance

SCHEMA = 1
NUMERICS = 1
"""Version of the arithmetic; results of two versions never share a table. Raise it with every
change that alters the result of a cell."""

SEAL = "sha256"
"""The key in ``provenance`` of the checksum of ``cell`` and ``outcome``; older results lack it."""

BLOCKS = ("cell", "outcome", "provenance")

Result = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)


class _AnotherVersionError(ValueError):
    """A valid file of another version."""


def make(cell: Cell, outcome: Outcome, provenance: dict[str, Any]) -> Result:
    """Return the result of ``cell``."""
    return {
        "schema": SCHEMA,
        "cell": cell.plain(),
        "outcome": outcome.plain(),
        "provenance": provenance,
    }


def fingerprint(result: Result) -> str:
    """Return the canonical text of ``cell`` and ``outcome``."""
    return canonical([result["cell"], result["outcome"]])


def write(result: Result, path: Path) -> None:
    """Write a result and, next to it, the copy that Snakemake does not know about.

    Both have a checksum of ``cell`` and ``outcome``, so that edited numbers are detected.
    Snakemake deletes a declared output before it repeats a job; the copy restores the result in
    seconds.
    """
    sealed = result["provenance"] | {SEAL: seal(result)}
    text = json.dumps(result | {"provenance": sealed}, indent=1, allow_nan=False) + "\n"
    for target in (kept(path), path):
        write_text(target, text)


def seal(result: Result) -> str:
    """Return the checksum of ``cell`` and ``outcome``."""
    return hashlib.sha256(fingerprint(result).encode()).hexdigest()


def read(path: Path) -> Result:
    """Read a result; raises ResultError where it is damaged.

    Raises IntactResultError where it is of another version, or the system refuses to read it.
    """
    return read_typed(path)[0]


def read_typed(path: Path) -> tuple[Result, Outcome, Provenance]:
    """Read a result as `read`, and return its last two blocks with types as well."""
    try:
        result = _content(path)
        checked("cell", Cell, result)
        outcome = checked("outcome", Outcome, result)
        provenance = checked("provenance", Provenance, result)
        if result["provenance"].get(SEAL) not in (None, seal(result)):
            raise ValueError("its numbers were changed after it was written")
    except (ValueError, RecursionError, OSError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        if isinstance(error, _AnotherVersionError):
            raise IntactResultError(
                f"{path}: not a result of this version ({reason}); read it with the version that "
                "wrote it, or move it away to train the cell again"
            ) from None
        if is_refusal(error):
            raise IntactResultError(
                f"{path}: cannot be read ({refusal(error)}); check its permissions and the disk"
            ) from None
        raise ResultError(
            f"{path}: not a result ({reason}); delete it and run again, which restores it from "
            f"{kept(path).name} if that is intact"
        ) from None
    return result, outcome, provenance


def checked(name: str, model: type[Model], result: Result) -> Model:
    """Return one block of a result with its types; raises ValueError on the first wrong one."""
    try:
        return model.model_validate(result[name])
    except ValidationError as error:
        first = error.errors()[0]
        text = f"{name}.{explain(error, model)}"
        newer = first["type"] in {"extra_forbidden", "literal_error"}
        raise (_AnotherVersionError if newer else ValueError)(text) from None


def _content(path: Path) -> Result:
    text = path.read_text(encoding="utf-8")
    result = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    if not isinstance(result, dict) or set(result) != {"schema", *BLOCKS}:
        raise ValueError("its blocks are not schema, cell, outcome and provenance")
    if result["schema"] != SCHEMA:
        raise _AnotherVersionError(
            f"its schema is {result['schema']!r}, this version reads {SCHEMA}"
        )
    for block in BLOCKS:
        if not isinstance(result[block], dict):
            raise ValueError(f"{block} is not a mapping")
    return result


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"duplicate key {twice!r}")
    return content


def _no_number(text: str) -> None:
    raise ValueError(f"it holds {text}, which is not a number")


def kept(path: Path) -> Path:
    """Return the path of the undeclared copy of the result at ``path``."""
    return path.with_name(f".{path.stem}.kept.json")


def logits_path(path: Path) -> Path:
    """Return the path of the test logits that belong to the result at ``path``."""
    return path.with_name(f"{path.stem}.logits.npz")


def weights_path(path: Path) -> Path:
    """Return the path of the packed final weights that belong to the result at ``path``."""
    return path.with_name(f"{path.stem}.weights.fggp")
