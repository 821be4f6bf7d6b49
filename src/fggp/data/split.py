"""The fixed, stratified split of training images into training and validation."""

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from fggp.data.dataset import DataError
from fggp.foundation.exact import largest_remainder
from fggp.foundation.random_streams import stream

Indices = NDArray[np.int64]


def split(
    labels: NDArray[np.int64], validation: int, train: int | None = None
) -> tuple[Indices, Indices]:
    """Return the positions of the training and of the validation images, each ascending.

    Every class gets its share, rounded by largest remainder; on a tie the earlier class gets the
    unit. The split depends only on the arguments.

    Args:
        labels: (N,) int64, not negative.
        validation: number of images to hold out; may be 0.
        train: number of the other images to train on; None for all of them. The validation images
            do not depend on it.

    Raises:
        DataError: if there are too few images.

    """
    total = len(labels)
    at_least = 1 if train is None else train
    if validation < 0 or at_least < 1 or validation + at_least > total:
        wanted = "the rest" if train is None else str(train)
        raise DataError(
            f"cannot split {total} images into {wanted} for training and {validation} for "
            f"validation; choose counts that fit"
        )
    held, rest = stratified(labels, validation, train, stream(0, "validation-split"))
    return rest, held


def stratified(
    labels: NDArray[np.int64], held: int, rest: int | None, random: np.random.Generator
) -> tuple[Indices, Indices]:
    """Return ascending positions of ``held`` images and of ``rest`` (None: all) others.

    ``random`` draws one permutation per class, in the order of classes.
    """
    orders = [
        random.permutation(np.flatnonzero(labels == label)) for label in range(labels.max() + 1)
    ]
    first, others = _cut(orders, held)
    second = others if rest is None else _cut(others, rest)[0]
    return np.sort(np.concatenate(first)), np.sort(np.concatenate(second))


def _cut(orders: list[Indices], count: int) -> tuple[list[Indices], list[Indices]]:
    """Cut each class's order after its share of ``count``."""
    total = sum(len(order) for order in orders)
    quotas = largest_remainder([Fraction(count * len(order), total) for order in orders], count)
    pairs = list(zip(orders, quotas, strict=True))
    return [order[:quota] for order, quota in pairs], [order[quota:] for order, quota in pairs]
