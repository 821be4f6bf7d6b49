"""Which stored result is that of which cell."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.methods import METHODS
from fggp.study.cell import Cell, MethodSettings
from fggp.study.result_file import NUMERICS, Result, kept, read


def cell_of(result: Result) -> Cell:
    """Return the cell of a result, `filled`, and without the checksum of its data."""
    return filled(Cell(**result["cell"]).with_data(None))


def filled(cell: Cell) -> Cell:
    """Return a stored cell with the settings that its method did not have when it was stored.

    They get what they were then, so that a new setting and a changed default leave old results
    valid, as those of the same training.
    """
    return cell.model_copy(update={"method": filled_method(cell.method)})


def filled_method(method: MethodSettings) -> MethodSettings:
    """Return a stored method with the settings that came later; see `filled`."""
    if method.name not in METHODS:
        return method
    definition = METHODS[method.name]
    try:
        settings = definition.settings(**{**definition.earlier, **method.settings})
    except ValidationError:
        return method
    return MethodSettings(name=method.name, settings=settings.model_dump(mode="json"))


def finished(cell: Cell, path: Path) -> bool:
    """Whether the result of exactly this cell, by this numerics version, lies at ``path``."""
    return _matching(cell, path) is not None


def restore(cell: Cell, path: Path) -> bool:
    """Bring the finished result of a cell back to ``path`` from its copy, where that is needed.

    Returns False where there is no finished result, neither there nor in the copy.
    """
    if finished(cell, path):
        if not finished(cell, kept(path)):
            write_text(kept(path), path.read_text())
        return True
    if not finished(cell, kept(path)):
        return False
    write_text(path, kept(path).read_text())
    return True


def _matching(cell: Cell, path: Path) -> Result | None:
    try:
        result = read(path)
    except ResultError:
        return None
    equal = cell_of(result) == filled(cell) and result["outcome"].get("numerics") == NUMERICS
    return result if equal else None
