"""Files of measurements on the networks of a study: rows, each for one cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.study.cell import Record


class MeasuredRow(Record):
    """Measurements of the network of one cell; ``cell`` is its name."""

    cell: str


Row = TypeVar("Row", bound=MeasuredRow)


def read_rows(path: Path, kind: type[Row], key: str, content: str) -> list[Row]:
    """Return the rows of a file, none if there is no file.

    Args:
        path: the file, JSON.
        kind: type of a row.
        key: key of the rows in the file.
        content: content of the file, in words.

    Raises:
        ResultError: where the file is damaged.

    """
    if not path.exists():
        return []
    try:
        return [kind.model_validate(it) for it in json.loads(path.read_text(encoding="utf-8"))[key]]
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ResultError(
            f"{path}: not a file of {content} ({reason}); delete it and measure again"
        ) from None


def write_rows(path: Path, key: str, before: Sequence[Row], rows: Sequence[Row]) -> None:
    """Write rows atomically, with those of ``before`` whose cell has no new rows."""
    cells = {it.cell for it in rows}
    every = [*(it for it in before if it.cell not in cells), *rows]
    content = {key: [it.model_dump() for it in sorted(every, key=lambda it: it.cell)]}
    write_text(path, json.dumps(content, indent=1) + "\n")
