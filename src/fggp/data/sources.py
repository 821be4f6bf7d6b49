"""Make the data file of a study from one of the kinds of source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fggp.data.dataset import DataError, Dataset, recorded_source, save

KINDS = ("cifar10", "digits", "folder")


def prepare(
    kind: str,
    out: Path,
    source: Path | None = None,
    *,
    root: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Make the data set ``kind`` and save it to ``out``, unless ``out`` already holds it.

    ``out`` is kept as it is when it records the same kind and source path; the images are not
    compared.

    Args:
        kind: one of ``KINDS``.
        out: the .npz file to write.
        source: folder or archive of images; for kind ``folder`` only.
        root: data folder: where CIFAR-10 is looked for and downloaded to, and what ``source`` is
            recorded relative to when it lies inside; the folder of ``out`` by default.
        progress: called now and then with the number of images done.

    Returns:
        ``out``.

    Raises:
        DataError: when the images, or a file already at ``out``, cannot be used.

    """
    root = out.parent if root is None else root
    asked = _description(kind, source, root)
    if out.exists() and recorded_source(out) == asked:
        return out
    save(_make(asked, source, root, progress), out)
    return out


def check_source(kind: str, out: Path, source: Path | None, root: Path) -> None:
    """Check that the data file ``out`` was made from what `prepare` would make it from.

    Raises:
        DataError: when it holds other images, or is damaged.

    """
    held, asked = recorded_source(out), _description(kind, source, root)
    if held != asked:
        one, other = (" ".join(map(str, it.values())) for it in (held, asked))
        raise DataError(
            f"{out} holds the images of {one}, not those of {other}; give data.name another "
            f"value, or delete that file"
        )


def _description(kind: str, source: Path | None, root: Path) -> dict[str, str]:
    if kind not in KINDS:
        raise DataError(f"unknown kind of data {kind!r}; use one of {', '.join(KINDS)}")
    if kind != "folder":
        if source is not None:
            raise DataError(f"{source} is not used by data of kind {kind}; leave it out")
        return {"kind": kind}
    if source is None:
        raise DataError("data of kind folder needs a path; name a folder or archive of images")
    absolute, base = source.absolute(), root.absolute()
    # Relative to the data folder, so that the file has the same bytes on every machine.
    inside = absolute.is_relative_to(base)
    return {
        "kind": kind,
        "path": (absolute.relative_to(base) if inside else absolute).as_posix(),
    }


def _make(
    asked: dict[str, str],
    source: Path | None,
    root: Path,
    progress: Callable[[int], None] | None,
) -> Dataset:
    if source is not None:
        from fggp.data.image_folder import read_folder

        return read_folder(source, asked, progress)
    if asked["kind"] == "digits":
        from fggp.data.digits import read_digits

        return read_digits(asked)
    from fggp.data.cifar10 import read_cifar10

    return read_cifar10(root, asked)
