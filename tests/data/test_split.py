from itertools import pairwise

import numpy as np
import pytest

from fggp.data import DataError, split

TEN_CLASSES = np.arange(100) % 10
UNEVEN = np.array([0] * 5 + [1] * 3 + [2] * 2)


def test_the_split_never_changes() -> None:
    train, validation = split(TEN_CLASSES, 10, 20)
    assert train[:12].tolist() == [7, 13, 14, 29, 31, 32, 35, 40, 42, 56, 58, 65]
    assert validation.tolist() == [1, 5, 8, 9, 10, 12, 43, 64, 76, 77]


def test_parts_are_ascending_disjoint_and_together_everything() -> None:
    train, validation = split(UNEVEN, 3)
    assert sorted([*train, *validation]) == list(range(10))
    for part in (train, validation):
        assert part.dtype == np.int64
        assert part.tolist() == sorted(part)


def test_every_class_gets_its_share_by_largest_remainder() -> None:
    # Shares of 3: 1.5, 0.9, 0.6; the two units left go to the largest fractions.
    train, validation = split(UNEVEN, 3)
    assert np.bincount(UNEVEN[validation]).tolist() == [1, 1, 1]
    assert np.bincount(UNEVEN[train]).tolist() == [4, 2, 1]


def test_on_a_tie_the_earlier_classes_get_the_units() -> None:
    train, validation = split(TEN_CLASSES, 13, 25)
    assert np.bincount(TEN_CLASSES[validation]).tolist() == [2] * 3 + [1] * 7
    # 25 of the 87 left: 2.30 for eight of them, 2.59 for nine; the five units go to the latter.
    assert np.bincount(TEN_CLASSES[train]).tolist() == [2] * 3 + [3] * 5 + [2] * 2


def test_fewer_training_images_are_a_subset_and_keep_the_validation_images() -> None:
    sets = [split(TEN_CLASSES, 10, train) for train in (10, 20, 50, None)]
    for (fewer, held), (more, same) in pairwise(sets):
        assert set(fewer) < set(more)
        assert held.tolist() == same.tolist()


def test_validation_may_be_empty() -> None:
    train, validation = split(TEN_CLASSES, 0)
    assert train.tolist() == list(range(100))
    assert validation.dtype == np.int64
    assert len(validation) == 0


@pytest.mark.parametrize(
    ("validation", "train", "numbers"),
    [
        (100, None, "100 images into the rest for training and 100 for"),
        (60, 41, "100 images into 41 for training and 60 for"),
        (-1, None, "and -1 for validation; choose counts that fit"),
        (10, 0, "into 0 for training and 10"),
    ],
)
def test_counts_that_do_not_fit_are_named(validation: int, train: int | None, numbers: str) -> None:
    with pytest.raises(DataError, match=numbers):
        split(TEN_CLASSES, validation, train)
