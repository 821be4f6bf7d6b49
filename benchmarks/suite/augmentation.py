"""Augmentation per image: an epoch of reflected padding, random crop, mirroring, normalizing.

Plain torchvision pads with black, as most simple training scripts do; ours and GraNet's pad by
reflection. All three start from decoded images in memory and yield batches of 128.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from suite.granet import found
from suite.ours import as_trained
from suite.work import Options, Row, Work
from suite.worker import side_by_side

BATCH = 128
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def measure(options: Options) -> list[Row]:
    """Return microseconds per image."""
    count = 2 * BATCH if options.tiny else 32 * BATCH
    contenders = {
        "ours, channels_last": partial(ours, count, True),
        "ours, contiguous": partial(ours, count, False),
        "torchvision": partial(usual, count),
        "GraNet": partial(granet, count, options.granet),
    }
    return side_by_side(
        "augmentation",
        "one image",
        contenders,
        rounds=options.times(7),
        threads=options.threads,
        unit="µs",
        scale=1e6 / count,
    )


def pixels(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return (count, 3, 32, 32) random bytes; the content affects the speed of no pipeline."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def ours(count: int, channels_last: bool) -> Work:
    """Return an epoch of the batches that cells are trained on."""
    from fggp.data.batches import Batches

    as_trained()
    batches = Batches(
        pixels(count),
        np.zeros(count, np.int64),
        mean=MEAN,
        std=STD,
        batch_size=BATCH,
        seed=1,
        pad=4,
        flip=True,
        device=torch.device("cpu"),
        channels_last=channels_last,
    )

    def run() -> None:
        batches.start(1)
        for _ in batches:
            pass

    return Work(run)


def usual(count: int) -> Work:
    """Return an epoch of plain torchvision."""
    from torchvision import transforms

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    return image_by_image(count, transform)


def granet(count: int, path: Path | None) -> Work:
    """Return an epoch of the training transform of the official code, taken from its loader."""
    found(path)
    from sparselearning import utils

    taken: list[Callable[[Any], Tensor]] = []

    class Recorder(list[None]):
        """Stand-in for the data set that records the transform it is given."""

        def __init__(self, root: str, train: bool, transform: Any, download: bool) -> None:
            super().__init__([None] * 100)
            taken.append(transform)

    utils.datasets.CIFAR10 = Recorder
    utils.get_cifar10_dataloaders(Namespace(batch_size=BATCH, test_batch_size=BATCH), 0.1, 2)
    return image_by_image(count, taken[0])


def image_by_image(count: int, transform: Callable[[Any], Tensor]) -> Work:
    """Return an epoch that transforms one image after the other and stacks them in batches."""
    from PIL import Image

    images = [Image.fromarray(image) for image in pixels(count).transpose(0, 2, 3, 1).copy()]

    def run() -> None:
        for first in range(0, count, BATCH):
            torch.stack([transform(image) for image in images[first : first + BATCH]])

    return Work(run)
