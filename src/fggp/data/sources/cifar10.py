"""CIFAR-10, by torchvision's own downloader and checksums."""

from __future__ import annotations

import hashlib
import http.client
import socket
import tarfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fggp.data.dataset import DataError, Dataset
from fggp.data.registry import Archive, Request, source
from fggp.data.sizes import Size

ARCHIVE = Archive(
    name="cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2023, 0.1994, 0.2010)
PATIENCE_SECONDS = 30.0
_FAILED = (EOFError, OSError, RuntimeError, http.client.HTTPException, tarfile.TarError)


@source(size=Size(50_000, 10_000, 32), archive=ARCHIVE)
def cifar10(request: Request) -> Dataset:
    """Return CIFAR-10 from the data folder, downloading it where it is absent.

    An intact ``cifar-10-python.tar.gz`` there is used without the network.

    Raises:
        DataError: when the archive is absent or damaged and cannot be downloaded.

    """
    from torchvision.datasets import CIFAR10

    root, archive = request.root, request.root / ARCHIVE.name
    try:
        with _patience(), _old_pickles():
            train = CIFAR10(root, train=True, download=True)
            test = CIFAR10(root, train=False, download=False)
    except _FAILED as error:
        reason = str(error) or type(error).__name__
        fix = f"put {ARCHIVE.name} with the MD5 {ARCHIVE.md5} there"
        raise DataError(f"{archive} {_state(archive)} ({reason}); {fix}") from error
    return Dataset(
        train_images=_channels_first(train.data),
        train_labels=np.array(train.targets, np.int64),
        test_images=_channels_first(test.data),
        test_labels=np.array(test.targets, np.int64),
        classes=tuple(train.classes),
        mean=MEAN,
        std=STD,
    )


def _state(archive: Path) -> str:
    if not archive.exists():
        return "is absent and could not be downloaded"
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False))
    if digest.hexdigest() != ARCHIVE.md5:
        return "is damaged and could not be downloaded again"
    return "is intact but could not be unpacked"


def _channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


@contextmanager
def _patience() -> Iterator[None]:
    """Give up on a silent network: torchvision sets no limit, and firewalls drop packets."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


@contextmanager
def _old_pickles() -> Iterator[None]:
    """Silence numpy about the archive's pickles, which are from 2009 and will not change."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
        yield
