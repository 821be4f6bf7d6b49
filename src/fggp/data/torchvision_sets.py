"""Data sets of torchvision, through its own downloaders and checksums, in the common form."""

from __future__ import annotations

import hashlib
import http.client
import socket
import tarfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fggp.data.dataset import DataError, Dataset
from fggp.data.images import mean_and_std
from fggp.data.registry import Archive, Request

PATIENCE_SECONDS = 30.0
INTACT = "is intact but could not be unpacked"
TRAIN, TEST = {"train": True}, {"train": False}
_FAILED = (EOFError, ImportError, OSError, RuntimeError, http.client.HTTPException)

Channels = tuple[float, float, float]


def read_torchvision(
    request: Request,
    name: str,
    archives: Sequence[Archive],
    *,
    train: Mapping[str, Any] = TRAIN,
    test: Mapping[str, Any] = TEST,
    normalization: tuple[Channels, Channels] | None = None,
) -> Dataset:
    """Return a classification set of ``torchvision.datasets``, downloaded if it is missing.

    Intact files in the data folder are used without the network. Grey images get three equal
    channels.

    Args:
        request: names the data folder.
        name: name of the class.
        archives: files that it is unpacked from.
        train: arguments of the class for the training images.
        test: arguments of the class for the test images.
        normalization: mean and standard deviation per channel; None: those of the training images.

    Raises:
        DataError: if a file is missing or damaged and cannot be downloaded; it names the files to
            put into the data folder.

    """
    from torchvision import datasets

    make = getattr(datasets, name)
    try:
        with _patience(), _old_pickles():
            parts = [make(request.root, download=True, **part) for part in (train, test)]
    except (*_FAILED, tarfile.TarError) as error:
        raise DataError(_missing(request.root, archives, error)) from error
    (train_images, train_labels), (test_images, test_labels) = map(_arrays, parts)
    mean, std = normalization or mean_and_std(train_images, name)
    return Dataset(
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        classes=_classes(parts[0], train_labels),
        mean=mean,
        std=std,
    )


def digest(path: Path) -> str:
    """Return the MD5 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _arrays(dataset: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return all images, (N, 3, H, W), and their labels."""
    pairs = [(np.asarray(image.convert("RGB")), int(label)) for image, label in dataset]
    images = np.stack([pixels for pixels, _ in pairs])
    labels = np.array([label for _, label in pairs], np.int64)
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels


def _classes(dataset: Any, labels: NDArray[np.int64]) -> tuple[str, ...]:
    named = getattr(dataset, "classes", None)
    return tuple(named or (str(label) for label in range(int(labels.max()) + 1)))


def _missing(root: Path, archives: Sequence[Archive], error: BaseException) -> str:
    """Describe the first missing or damaged file, and where to put which files."""
    reason = str(error) or type(error).__name__
    states = [(it, _state(root / it.name, it.md5)) for it in archives]
    wanted = [pair for pair in states if pair[1] != INTACT] or states
    (first, state), *_ = wanted
    files = " and ".join(f"{Path(it.name).name} with the MD5 {it.md5}" for it, _ in wanted)
    return f"{root / first.name} {state} ({reason}); put {files} there"


def _state(path: Path, md5: str) -> str:
    if not path.exists():
        return "is missing and could not be downloaded"
    return INTACT if digest(path) == md5 else "is damaged and could not be downloaded again"


@contextmanager
def _patience() -> Iterator[None]:
    """Give up on a silent network: torchvision sets no timeout, and firewalls drop packets."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _old_pickles() -> Iterator[None]:
    """Silence numpy about the archives' pickles, which are from 2009 and will not change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        yield
