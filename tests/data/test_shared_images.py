"""Test images that are training images too are counted."""

import numpy as np

from fggp.data import Dataset, shared_words
from fggp.data.shared_images import shared_images


def dataset(train: list[int], test: list[int]) -> Dataset:
    def images(numbers: list[int]) -> np.ndarray:
        made = [
            np.random.default_rng(it).integers(0, 256, (3, 16, 16), dtype=np.uint8)
            for it in numbers
        ]
        return np.stack(made)

    labels = [np.zeros(len(it), np.int64) for it in (train, test)]
    third = (0.5, 0.5, 0.5)
    return Dataset(images(train), labels[0], images(test), labels[1], ("a", "b"), third, third)


def test_equal_images_are_counted_by_their_pixels() -> None:
    assert shared_images(dataset([1, 2, 3], [4, 5])) == 0
    assert shared_images(dataset([1, 2, 2, 3], [2, 3, 3, 4])) == 3
    assert shared_words(dataset([1], [2])) == ""
    assert shared_words(dataset([1], [1, 2])) == "1 of 2 test images are among the training images"


def test_the_digits_share_none(digits: Dataset) -> None:
    assert shared_images(digits) == 0
