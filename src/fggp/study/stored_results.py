"""Which stored result belongs to which cell; all that compares the two asks `belongs`.

A file is compared by what it was written with. A setting that its cell lacks, since the setting is
newer than the file, has the value of that time: the one in ``earlier`` of the block or method where
that differs from the default. Files are never rewritten, so their checksums stay valid.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from fggp.foundation.errors import ResultError
from fggp.foundation.files import write_text
from fggp.methods import METHODS
from fggp.study.cell import Cell, MethodSettings, Record
from fggp.study.result_file import NUMERICS, Result, kept, read

Plain = Mapping[str, Any]


def belongs(result: Result, cell: Cell) -> bool:
    """Whether a result is that of a cell, whatever numerics version it was trained with."""
    return cell_of(result) == filled(cell)


def finished(cell: Cell, path: Path) -> bool:
    """Whether the result of exactly this cell, by this numerics version, lies at ``path``."""
    return matching(cell, path) is not None


def matching(cell: Cell, path: Path) -> Result | None:
    """Return the result at ``path`` where `finished` holds, else None."""
    try:
        result = read(path)
    except ResultError:
        return None
    current = result["outcome"].get("numerics") == NUMERICS
    return result if current and belongs(result, cell) else None


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


def cell_of(result: Result) -> Cell:
    """Return the cell of a result as `stored_cell`, without the checksum of its data."""
    return stored_cell(result["cell"]).with_data(None)


def stored_cell(content: Plain) -> Cell:
    """Return the cell in a file, with the settings that are newer than the file.

    Raises:
        pydantic.ValidationError: where the content is not a cell.

    """
    return filled(Cell.model_validate(with_earlier(Cell, content)))


def in_canonical_form(content: Plain) -> bool:
    """Whether every value of a stored cell is written as this version would write it."""
    return _within(content, stored_cell(content).plain())


def with_earlier(model: type[Record], content: Any) -> Any:
    """Return the plain content of a record with ``earlier`` of all its blocks filled in."""
    if not isinstance(content, Mapping):
        return content  # validation says what is wrong with it
    known = {key: value for key, value in model.earlier.items() if key in model.model_fields}
    complete = {**known, **content}
    for name in complete.keys() & model.model_fields.keys():
        annotation = model.model_fields[name].annotation
        blocks = [it for it in (annotation, *get_args(annotation)) if _is_record(it)]
        if not blocks:
            continue
        if _is_record(annotation):
            complete[name] = with_earlier(blocks[0], complete[name])
        elif isinstance(complete[name], Mapping):
            items = complete[name].items()
            complete[name] = {key: with_earlier(blocks[0], item) for key, item in items}
    return complete


def filled(cell: Cell) -> Cell:
    """Return a cell with the settings that its method did not have when it was stored."""
    return cell.model_copy(update={"method": filled_method(cell.method)})


def filled_method(method: MethodSettings) -> MethodSettings:
    """Return a stored method with the settings that are newer; see `filled`."""
    if method.name not in METHODS:
        return method
    definition = METHODS[method.name]
    try:
        settings = definition.settings(**{**definition.earlier, **method.settings})
    except ValidationError:
        return method
    return MethodSettings(name=method.name, settings=settings.model_dump(mode="json"))


def _is_record(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Record)


def _within(part: Any, whole: Any) -> bool:
    """Whether everything in one is in the other, mapping by mapping."""
    if isinstance(part, Mapping) and isinstance(whole, Mapping):
        return all(key in whole and _within(part[key], whole[key]) for key in part)
    return bool(part == whole)
