"""The assignment of stored results to cells; `StoredResult.belongs_to` alone decides.

A file is compared by the settings that it was written with. A setting that is newer than the file
has the value of that time: the one in ``earlier`` of the block or method if that differs from the
default. Files are never rewritten, so their checksums stay valid.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import ValidationError

from fggp.foundation.errors import IntactResultError, ResultError
from fggp.foundation.files import write_text
from fggp.methods import METHODS
from fggp.study.cell import Cell, MethodSettings, Record
from fggp.study.outcome import Outcome, Provenance
from fggp.study.result_file import NUMERICS, Result, checked, kept, read_typed

Plain = Mapping[str, Any]


@dataclass(frozen=True)
class StoredResult:
    """A result file, read.

    Attributes:
        path: path of the file.
        cell: the cell in the file, with the settings that are newer than the file, and without the
            checksum of its data.
        result: its content, as written.
        outcome: outcome of the cell.
        provenance: place and time of the training.

    """

    path: Path
    cell: Cell
    result: Result
    outcome: Outcome
    provenance: Provenance

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; raises ResultError as `fggp.study.result_file.read`."""
        result, outcome, provenance = read_typed(path)
        return cls(path, cell_of(result), result, outcome, provenance)

    @classmethod
    def of(cls, result: Result, path: Path) -> Self:
        """Return a result that is not on disk; raises ValueError if a type is wrong."""
        outcome = checked("outcome", Outcome, result)
        return cls(
            *(path, cell_of(result), result),
            outcome,
            checked("provenance", Provenance, result),
        )

    @property
    def data_sha256(self) -> str | None:
        """The checksum of the images that it was trained on, if recorded."""
        digest: str | None = self.result["cell"]["data"].get("sha256")
        return digest

    def belongs_to(self, cell: Cell) -> bool:
        """Whether it is the result of a cell, whatever numerics version it was trained with."""
        return self.cell == filled(cell)


def finished(cell: Cell, path: Path) -> bool:
    """Whether the result of exactly this cell, by this numerics version, is at ``path``."""
    return matching(cell, path) is not None


def matching(cell: Cell, path: Path) -> StoredResult | None:
    """Return the result at ``path`` if `finished` is true, else None.

    Raises IntactResultError if the file may be the result but cannot be read.
    """
    found = _undamaged(path)
    if found is None:
        return None
    return found if found.outcome.numerics == NUMERICS and found.belongs_to(cell) else None


def holds(path: Path, cell: Cell) -> bool:
    """Whether the result of a cell is at ``path``, of whatever numerics version.

    Raises IntactResultError if the file may be the result but cannot be read.
    """
    found = _undamaged(path)
    return found is not None and found.belongs_to(cell)


def set_aside(path: Path) -> None:
    """Remove a result whose cell has other settings now; its copy stays, which `restore` needs.

    A result without a readable copy, as in a folder that was copied without hidden files, becomes
    the copy. If the copy is of another training, both are kept, the result as
    ``.NAME.DIGEST.json``: the only file of a training is never deleted.

    Raises:
        IntactResultError: if the copy may be intact but cannot be read.

    """
    content = path.read_bytes()
    if _undamaged(kept(path)) is None:
        os.replace(path, kept(path))
    elif kept(path).read_bytes() == content:
        path.unlink()
    else:
        digest = hashlib.sha256(content).hexdigest()[:8]
        os.replace(path, path.with_name(f".{path.stem}.{digest}.json"))


def _undamaged(path: Path) -> StoredResult | None:
    """Return the result at ``path``; None if it is missing or damaged."""
    try:
        return StoredResult.read(path)
    except IntactResultError:
        raise
    except ResultError:
        return None


def restore(cell: Cell, path: Path) -> bool:
    """Restore the finished result of a cell at ``path`` from its copy, if needed.

    Returns False if there is no finished result, neither there nor in the copy.

    Raises IntactResultError if one of the two may be the result but cannot be read, and the other
    is not.
    """
    there, copied = _finished_or_error(cell, path), _finished_or_error(cell, kept(path))
    if True in {there, copied}:
        if copied is False:
            write_text(kept(path), path.read_text(encoding="utf-8"))
        elif there is not True:
            write_text(path, kept(path).read_text(encoding="utf-8"))
        return True
    for error in (there, copied):
        if isinstance(error, IntactResultError):
            raise error
    return False


def _finished_or_error(cell: Cell, path: Path) -> bool | IntactResultError:
    try:
        return finished(cell, path)
    except IntactResultError as error:
        return error


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
    """Whether every value of a stored cell is in the form that this version writes."""
    return _within(content, stored_cell(content).plain())


def with_earlier(model: type[Record], content: Any) -> Any:
    """Return the plain content of a record with ``earlier`` of all its blocks filled in."""
    if not isinstance(content, Mapping):
        return content  # validation reports the problem
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
