"""The result file: one per cell, in three blocks, written atomically.

``cell`` is what was asked for, ``outcome`` what came of it, ``provenance`` where and when. Two
results are the same when the canonical bytes of ``cell`` and ``outcome`` are equal.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.study.cell import Cell, canonical

SCHEMA = 1
NUMERICS = 1
"""Which results may share a table; raised by every change that alters what a cell comes to."""

SEAL = "sha256"
"""The key in ``provenance`` of the checksum of ``cell`` and ``outcome``; older results lack it."""

Result = dict[str, Any]


def make(cell: Cell, outcome: dict[str, Any], provenance: dict[str, Any]) -> Result:
    """Return the result of ``cell``."""
    return {
        "schema": SCHEMA,
        "cell": cell.plain(),
        "outcome": {"numerics": NUMERICS, **outcome},
        "provenance": provenance,
    }


def same(one: Result, other: Result) -> bool:
    """Whether two results agree in the canonical bytes of ``cell`` and ``outcome``."""
    return fingerprint(one) == fingerprint(other)


def fingerprint(result: Result) -> str:
    """Return the canonical text of ``cell`` and ``outcome``."""
    return canonical([result["cell"], result["outcome"]])


def write(result: Result, path: Path) -> None:
    """Write a result and, beside it, the copy that Snakemake does not know of.

    Both carry a checksum of ``cell`` and ``outcome``, so that edited numbers are noticed.
    Snakemake deletes a declared output before it repeats a job; from the copy the result is back
    in seconds.
    """
    sealed = result["provenance"] | {SEAL: seal(result)}
    text = json.dumps(result | {"provenance": sealed}, indent=1, allow_nan=False) + "\n"
    for target in (kept(path), path):
        write_text(target, text)


def seal(result: Result) -> str:
    """Return the checksum of ``cell`` and ``outcome``."""
    return hashlib.sha256(fingerprint(result).encode()).hexdigest()


def read(path: Path) -> Result:
    """Read a result; raises ResultError where it is damaged or of another schema."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
        blocks = {"schema", "cell", "outcome", "provenance"}
        if not isinstance(result, dict) or set(result) != blocks:
            raise ValueError("its blocks are not schema, cell, outcome and provenance")
        if result["schema"] != SCHEMA:
            raise ValueError(f"its schema is {result['schema']}, this version reads {SCHEMA}")
        if not all(isinstance(result[block], dict) for block in ("cell", "outcome", "provenance")):
            raise ValueError("a block is not a mapping")
        Cell(**result["cell"])
        if result["provenance"].get(SEAL) not in (None, seal(result)):
            raise ValueError("its numbers are not those that were written")
    except (ValueError, RecursionError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(
            f"{path}: not a result ({reason}); delete it and run again, which brings it back from "
            f"{kept(path).name} where that is intact"
        ) from None
    return result


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


MOST_SHARE = 1.2


"""Of a measured peak. Beyond it the peak was not one: others used the device just then."""
