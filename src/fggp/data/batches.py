"""Batches of images that are kept on the device as bytes and augmented there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fggp.data.crops import Crops
from fggp.foundation.random_streams import stream

Batch = tuple[Tensor, Tensor]


class Normalizer:
    """Turn uint8 images into float32 of zero mean and unit spread per channel.

    Args:
        mean: three numbers on the 0..1 scale.
        std: three numbers on the 0..1 scale.
        device: device of the images.
        channels_last: whether results have that memory layout; it does not affect their values.

    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device,
        channels_last: bool = False,
    ) -> None:
        self._mean = torch.tensor(mean, dtype=torch.float32, device=device).mul_(255)
        self._std = torch.tensor(std, dtype=torch.float32, device=device).mul_(255)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(self, images: Tensor) -> Tensor:
        """Return (B, 3, H, W) float32 of (B, 3, H, W) uint8."""
        pixels = images.contiguous(memory_format=self._layout).float()
        # Two exactly rounded steps: a fused one could differ between layouts.
        if self._layout is torch.contiguous_format:
            pixels.sub_(self._mean.view(3, 1, 1)).div_(self._std.view(3, 1, 1))
        else:  # broadcasting three numbers is slow; a whole image of them is not
            _, _, height, width = pixels.shape
            mean, std = (x.repeat(height * width) for x in (self._mean, self._std))
            pixels.permute(0, 2, 3, 1).view(-1, len(mean)).sub_(mean).div_(std)
        return pixels


class _Numbered:
    """A sequence of batches of one size, the last of which may be smaller."""

    def __init__(self, count: int, size: int) -> None:
        self._count, self._size = count, size

    def __len__(self) -> int:
        """Return the number of batches."""
        return math.ceil(self._count / self._size)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over all batches in order."""
        return (self[k] for k in range(len(self)))

    def __getitem__(self, k: int) -> Batch:
        raise NotImplementedError

    def _part(self, k: int) -> slice:
        if not 0 <= k < len(self):
            raise IndexError(f"batch {k} of {len(self)}")
        return slice(k * self._size, (k + 1) * self._size)


class Batches(_Numbered):
    """Training batches: a random order, random crops of the padded image and random mirroring.

    Batch ``k`` of an epoch depends only on (seed, epoch, k). ``start`` draws a whole epoch and
    moves it to the device once, so that no batch makes the host wait.

    Args:
        images: (N, 3, H, W) uint8.
        labels: (N,) int64.
        mean: per channel, on the 0..1 scale.
        std: per channel, on the 0..1 scale.
        batch_size: images of a batch; the last one of an epoch may be smaller.
        seed: seed of the streams ``order`` and ``augmentation``.
        pad: pixels added on each side before cropping; may be 0.
        pad_mode: content of these pixels: "reflect" mirrors the image, "zero" is black (0 before
            normalization).
        flip: whether to mirror half of the images.
        device: device on which images are kept and batches are made.
        channels_last: memory layout of the batches.

    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        *,
        mean: Sequence[float],
        std: Sequence[float],
        batch_size: int,
        seed: int,
        pad: int,
        pad_mode: Literal["reflect", "zero"] = "reflect",
        flip: bool,
        device: torch.device,
        channels_last: bool = False,
    ) -> None:
        super().__init__(len(labels), batch_size)
        height, width = images.shape[2:]
        border = ((0, 0), (0, 0), (pad, pad), (pad, pad))
        zero = pad_mode == "zero"
        padded = np.pad(images, border) if zero else np.pad(images, border, mode="reflect")
        self._crops = Crops(torch.from_numpy(padded).to(device), (height, width), channels_last)
        self._labels = torch.tensor(labels, dtype=torch.int64, device=device)
        self._normalize = Normalizer(mean, std, device, channels_last)
        self._seed, self._pad, self._flip = seed, pad, flip
        self._device = device
        self._order: Tensor | None = None

    def start(self, epoch: int) -> None:
        """Draw the order, the crops and the mirroring of ``epoch``."""
        count = self._count
        order = stream(self._seed, "order", epoch).permutation(count)
        random = stream(self._seed, "augmentation", epoch)
        offsets = random.integers(0, 2 * self._pad, size=(2, count), endpoint=True)
        mirrored = random.integers(0, 2, size=count) == 1
        self._order = torch.from_numpy(order).to(self._device)
        rows, columns = torch.from_numpy(offsets).to(self._device)
        self._first = self._crops.first(self._order, rows, columns)
        bits = np.where(mirrored, 255, 0).astype(np.uint8)
        self._mirrored = torch.from_numpy(bits).to(self._device)

    def __getitem__(self, k: int) -> Batch:
        """Return images (B, 3, H, W) float32 and labels (B,) int64 of batch ``k``.

        Raises:
            IndexError: if ``k`` is not one of the epoch's batches.
            RuntimeError: before ``start``.

        """
        if self._order is None:
            raise RuntimeError("no epoch has been started; call start(epoch) first")
        part = self._part(k)
        first = self._first[part]
        if self._flip:
            images = self._crops.cut_mirrored(first, self._mirrored[part])
        else:
            images = self._crops.cut(first)
        return self._normalize(images), self._labels[self._order[part]]


class EvaluationBatches(_Numbered):
    """Batches in the given order without augmentation; a sequence that can be iterated repeatedly.

    The arguments are those of ``evaluation_batches``.
    """

    def __init__(self, images: Tensor, labels: Tensor, normalize: Normalizer, size: int) -> None:
        super().__init__(len(labels), size)
        self._images, self._labels, self._normalize = images, labels, normalize

    def __getitem__(self, k: int) -> Batch:
        """Return images (B, 3, H, W) float32 and labels (B,) int64 of batch ``k``.

        Raises:
            IndexError: if ``k`` is not one of the batches.

        """
        part = self._part(k)
        return self._normalize(self._images[part]), self._labels[part]


def evaluation_batches(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device,
    batch_size: int = 1000,
    channels_last: bool = False,
) -> EvaluationBatches:
    """Return all images in order, kept as bytes on ``device`` and normalized batch by batch.

    Args:
        images: (N, 3, H, W) uint8.
        labels: (N,) int64.
        mean: per channel, on the 0..1 scale.
        std: per channel, on the 0..1 scale.
        device: device on which images are kept and batches are made.
        batch_size: images of a batch; the last one may be smaller.
        channels_last: memory layout of the batches.

    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return EvaluationBatches(
        torch.tensor(images, device=device).contiguous(memory_format=layout),
        torch.tensor(labels, dtype=torch.int64, device=device),
        Normalizer(mean, std, device, channels_last),
        batch_size,
    )
