"""Test images that are also training images: accuracy on them does not generalize."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from fggp.data.dataset import Dataset


def shared_images(dataset: Dataset) -> int:
    """Return the number of test images that equal a training image, pixel by pixel."""
    seen = set(_digests(dataset.train_images))
    return sum(digest in seen for digest in _digests(dataset.test_images))


def shared_words(dataset: Dataset) -> str:
    """Return a warning about these images; empty if there are none."""
    shared, count = shared_images(dataset), len(dataset.test_labels)
    return f"{shared} of {count} test images are among the training images" if shared else ""


def _digests(images: NDArray[np.uint8]) -> list[bytes]:
    return [hashlib.blake2b(it.tobytes(), digest_size=16).digest() for it in images]
