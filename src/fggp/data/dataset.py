"""A data set in memory, and its file."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.foundation.files import UNREADABLE, is_refusal, refusal, replacing

FORMAT = "fggp-data-1"
DESCRIPTION = "description"
ARRAYS = {
    "train_images": np.uint8,
    "train_labels": np.int64,
    "test_images": np.uint8,
    "test_labels": np.int64,
}


class DataError(Failure):
    """Data that cannot be used; the message is one line that names the file and the fix."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test images, with the data needed to normalize and name them.

    Attributes:
        train_images: (N, 3, H, W) uint8.
        train_labels: (N,) int64, positions in ``classes``.
        test_images: (M, 3, H, W) uint8.
        test_labels: (M,) int64.
        classes: the class names.
        mean: per channel, on the scale from 0 to 1.
        std: per channel, on the scale from 0 to 1.
        source: origin of the images, as JSON-able values; `prepare` fills it in.
        sha256: checksum of the file it was loaded from; empty if there is no file.

    """

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @property
    def size(self) -> Size:
        """The number and size of the images."""
        train, test = len(self.train_labels), len(self.test_labels)
        return Size(train, test, self.train_images.shape[-1], classes=len(self.classes))


def save(dataset: Dataset, path: Path) -> None:
    """Write ``dataset`` to ``path`` as one uncompressed .npz file, whole or not at all.

    Equal content gives equal bytes, whenever and wherever it is written.

    Raises:
        DataError: if the file cannot be written.

    """
    try:
        with replacing(path) as partial, partial.open("wb") as file:
            _write(dataset, file)
    except OSError as error:
        fix = "make room or choose another folder"
        raise DataError(f"{path} cannot be written ({error.strerror}); {fix}") from error


def load(path: Path) -> Dataset:
    """Read the data set that ``save`` wrote to ``path``.

    Raises:
        DataError: if the file is missing, damaged or of another kind.

    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            with zipfile.ZipFile(file) as archive:
                text = _description(archive)
                arrays = {name: _array(archive, name) for name in ARRAYS}
        _check(arrays, len(text["classes"]))
        return Dataset(
            **arrays,
            classes=tuple(text["classes"]),
            mean=tuple(text["mean"]),
            std=tuple(text["std"]),
            source=text["source"],
            sha256=digest,
        )
    except UNREADABLE as error:
        raise _unusable(path, error) from error


def recorded_source(path: Path) -> dict[str, Any]:
    """Return the ``source`` of the data set in ``path`` without reading its images.

    Raises:
        DataError: if the file is missing, damaged or of another kind.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            return dict(_description(archive)["source"])
    except UNREADABLE as error:
        raise _unusable(path, error) from error


def _write(dataset: Dataset, file: IO[bytes]) -> None:
    text = {
        "format": FORMAT,
        "classes": dataset.classes,
        "mean": dataset.mean,
        "std": dataset.std,
        "source": dict(dataset.source),
    }
    arrays = {DESCRIPTION: np.array(json.dumps(text, sort_keys=True))}
    arrays |= {
        name: np.asarray(getattr(dataset, name), kind, order="C") for name, kind in ARRAYS.items()
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            # An explicit entry has a fixed date; np.savez does not guarantee one.
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.create_system = 3
            with archive.open(entry, "w", force_zip64=True) as out:
                np.lib.format.write_array(out, array, allow_pickle=False)


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    with archive.open(f"{name}.npy") as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


def _description(archive: zipfile.ZipFile) -> dict[str, Any]:
    text = json.loads(_array(archive, DESCRIPTION).item())
    if not isinstance(text, dict) or text.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    return text


def _check(arrays: Mapping[str, NDArray[Any]], classes: int) -> None:
    """Raise ValueError unless the arrays have the types and shapes of a data set."""
    shape = arrays["train_images"].shape[1:]
    for part in ("train", "test"):
        images, labels = arrays[f"{part}_images"], arrays[f"{part}_labels"]
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (3, *shape[1:]):
            raise ValueError(f"its {part} images are {images.dtype} of shape {images.shape}")
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise ValueError(f"its {part} labels are {labels.dtype} of shape {labels.shape}")
        if len(labels) == 0 or labels.min() < 0 or labels.max() >= classes:
            raise ValueError(f"its {part} labels do not fit its {classes} classes")


def _unusable(path: Path, error: BaseException) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} does not exist; make it with `fggp prepare`")
    if isinstance(error, IsADirectoryError) or is_refusal(error):
        return DataError(f"{path} cannot be read ({refusal(error)}); name a readable file")
    reason = str(error) or type(error).__name__
    fix = "delete it and make it again with `fggp prepare`"
    return DataError(f"{path} is damaged or not a data file of fggp ({reason}); {fix}")
