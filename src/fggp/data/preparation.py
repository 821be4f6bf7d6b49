"""Make the data file of a study from one of the kinds of source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fggp.data.sources  # noqa: F401  registers the kinds
from fggp.data.dataset import DataError, recorded_source, save
from fggp.data.listing import changes, listed, write_listing
from fggp.data.registry import Note, Progress, Request, find


def prepare(
    kind: str,
    out: Path,
    source: Path | None = None,
    *,
    root: Path | None = None,
    progress: Progress | None = None,
    note: Note | None = None,
) -> Path:
    """Make the data set ``kind`` and save it to ``out``, unless ``out`` already contains it.

    ``out`` is not changed if it records the same kind and source path, and the source has not
    changed since (see `fggp.data.listing`) or no longer exists.

    Args:
        kind: one of `fggp.data.registry.SOURCES`.
        out: the .npz file to write.
        source: folder or archive of images; only for kinds that need a path.
        root: data folder, which contains downloads; ``source`` is recorded relative to it if it is
            inside. By default the folder of ``out``.
        progress: called from time to time with the number of images done.
        note: called with remarks for the user about the images.

    Returns:
        ``out``.

    Raises:
        DataError: if the images, or an existing file at ``out``, cannot be used.

    """
    root = out.parent if root is None else root
    asked = _description(kind, source, root)
    if out.exists() and recorded_source(out) == asked and not changes(source, out):
        return out
    # Before the images are read, so that a change in the meantime is noticed next time.
    files = listed(source) if source is not None and source.exists() else {}
    made = find(kind).read(Request(root, source, progress, note))
    save(replace(made, source=asked), out)
    if files:
        write_listing(files, out)
    return out


def check_source(kind: str, out: Path, source: Path | None, root: Path) -> None:
    """Check that the data file ``out`` was made from the same source that `prepare` would use.

    Raises:
        DataError: if it contains other images, or is damaged.

    """
    held, asked = recorded_source(out), _description(kind, source, root)
    if held != asked:
        one, other = (" ".join(map(str, it.values())) for it in (held, asked))
        raise DataError(
            f"{out} holds the images of {one}, not those of {other}; give data.name another "
            f"value, or delete that file"
        )


def _description(kind: str, source: Path | None, root: Path) -> dict[str, str]:
    if not find(kind).path:
        if source is not None:
            raise DataError(f"{source} is not used by data of kind {kind}; leave it out")
        return {"kind": kind}
    if source is None:
        raise DataError(f"data of kind {kind} needs a path; name a folder or archive of images")
    absolute, base = source.absolute(), root.absolute()
    # Relative to the data folder, so that the file has the same bytes on every machine.
    inside = absolute.is_relative_to(base)
    return {
        "kind": kind,
        "path": (absolute.relative_to(base) if inside else absolute).as_posix(),
    }
