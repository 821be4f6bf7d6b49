"""The digits that ship with scikit-learn: real data without any download."""

import numpy as np

from fggp.data.dataset import Dataset
from fggp.data.images import mean_and_std
from fggp.data.registry import Request, source
from fggp.data.sizes import Size
from fggp.data.split import stratified
from fggp.foundation.random_streams import stream

TEST_IMAGES = 600


@source(size=Size(1197, TEST_IMAGES, 16), gpu=False)  # too small to need one
def digits(request: Request) -> Dataset:
    """Return the 1797 digits as 1197 train and 600 test images of 3x16x16.

    Each of the 8x8 pixels becomes 2x2 equal pixels, and all three channels are equal. The split is
    fixed and stratified.
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    small = np.floor(found.images * 255 / 16 + 0.5).astype(np.uint8)
    grey = small.repeat(2, axis=1).repeat(2, axis=2)
    images = np.ascontiguousarray(np.broadcast_to(grey[:, None], (len(grey), 3, 16, 16)))
    labels = found.target.astype(np.int64)
    test, train = stratified(labels, TEST_IMAGES, None, stream(0, "digits-test"))
    mean, std = mean_and_std(images[train], "digits")
    return Dataset(
        train_images=images[train],
        train_labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
        classes=tuple(str(name) for name in found.target_names),
        mean=mean,
        std=std,
    )
