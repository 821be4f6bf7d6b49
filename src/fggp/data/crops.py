"""Random crops of padded images, cut as whole rows of bytes."""

from __future__ import annotations

import torch
from torch import Tensor


class Crops:
    """All crops of padded images, and their mirror images.

    A row of a crop is contiguous in memory, so a crop takes one copy per row (and channel, unless
    channels come last): on a CPU, this is ten times faster than a gather of single pixels.

    Args:
        padded: (N, 3, H + 2·pad, W + 2·pad) uint8; a copy is kept.
        size: (H, W) of a crop.
        channels_last: memory layout of the padded images and of the crops.

    """

    def __init__(self, padded: Tensor, size: tuple[int, int], channels_last: bool) -> None:
        self._size, self._channels_last = size, channels_last
        height, width = size
        if channels_last:
            stored = padded.permute(0, 2, 3, 1).contiguous()
            image, down, right, _ = stored.stride()
            starts = torch.arange(height) * down
        else:
            stored = padded.contiguous()
            image, channel, down, right = stored.stride()
            starts = (torch.arange(3).view(-1, 1) * channel + torch.arange(height) * down).view(-1)
        self._strides = image, down, right
        self._starts = starts.to(padded.device)
        length, values = width * right, stored.view(-1)
        # (places, length): every row that could be cut, overlapping, without a copy.
        self._rows = values.as_strided((len(values) - length + 1, length), (1, 1))

    def first(self, chosen: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the offsets of crops, (B,) int64, for (B,) images, rows and columns."""
        image, down, right = self._strides
        return chosen * image + rows * down + columns * right

    def cut(self, first: Tensor) -> Tensor:
        """Return the (B, 3, H, W) uint8 crops at these offsets."""
        return self._shown(self._cut(first))

    def cut_mirrored(self, first: Tensor, mirrored: Tensor) -> Tensor:
        """Return the crops, mirrored if ``mirrored``, (B,) uint8, is 255 and not if it is 0."""
        values = self._cut(first)
        # Selecting by bits is much faster than by a condition for each byte.
        change = values.flip(2 if self._channels_last else 3)
        change.bitwise_xor_(values).bitwise_and_(mirrored.view(-1, 1, 1, 1))
        return self._shown(values.bitwise_xor_(change))

    def _cut(self, first: Tensor) -> Tensor:
        places = first.view(-1, 1) + self._starts
        rows, (height, width) = self._rows.index_select(0, places.view(-1)), self._size
        shape = (height, width, 3) if self._channels_last else (3, height, width)
        return rows.view(-1, *shape)

    def _shown(self, values: Tensor) -> Tensor:
        return values.permute(0, 3, 1, 2) if self._channels_last else values
