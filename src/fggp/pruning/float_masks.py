"""Masks as numbers to multiply by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor


class FloatMasks:
    """Zeroes tensors off masks, and keeps what that takes until a mask changes.

    A boolean is turned into a number each time it is multiplied by: eight times the work of the
    product on a CPU, a launch per tensor on a GPU. So the numbers stay, four bytes per weight for
    float32. Masks that mark everything have none: a product with 1 changes no bit.

    Args:
        masks: bool; they may be changed in place at any time.

    """

    def __init__(self, masks: Sequence[Tensor]) -> None:
        self._masks = list(masks)
        # Recorded steps of a GPU go on reading numbers where they were when they were recorded.
        self._stays = any(mask.device.type != "cpu" for mask in masks)
        self._made_of: list[int] | None = None
        self._counts: list[int] | None = None
        self._numbers: dict[torch.dtype, list[Tensor | None]] = {}

    @torch.no_grad()
    def zero(self, tensors: Iterable[tuple[int, Tensor]]) -> None:
        """Zero each tensor in place off the mask of that number, which has its shape."""
        self.follow()
        marked, factors = [], []
        for number, tensor in tensors:
            factor = self._of(tensor.dtype)[number]
            if factor is not None:
                marked.append(tensor)
                factors.append(factor)
        if marked:
            torch._foreach_mul_(marked, factors)

    @property
    def tensors(self) -> list[Tensor]:
        """The numbers that are kept now."""
        self.follow()
        return [x for numbers in self._numbers.values() for x in numbers if x is not None]

    @property
    def counts(self) -> list[int]:
        """How many positions each mask marks; on a GPU the host waits once for each change."""
        self.follow()
        return self._counted()

    @torch.no_grad()
    def follow(self) -> None:
        """Bring the numbers up to masks that have changed; on a GPU they stay where they are.

        There a mask that no longer marks everything gets its number now, and keeps it.
        """
        tracked = not any(mask.is_inference() for mask in self._masks)
        now = [mask._version for mask in self._masks] if tracked else None
        if now is not None and now == self._made_of:
            return
        self._made_of, self._counts = now, None
        if not self._stays:
            self._numbers.clear()
        for dtype, numbers in self._numbers.items():
            for index, (number, mask) in enumerate(zip(numbers, self._masks, strict=True)):
                if number is None:
                    numbers[index] = self._number(index, dtype)
                else:
                    number.copy_(mask)

    def _of(self, dtype: torch.dtype) -> list[Tensor | None]:
        if dtype not in self._numbers:
            indices = range(len(self._masks))
            self._numbers[dtype] = [self._number(index, dtype) for index in indices]
        return self._numbers[dtype]

    def _number(self, index: int, dtype: torch.dtype) -> Tensor | None:
        mask = self._masks[index]
        return None if self._counted()[index] == mask.numel() else mask.to(dtype)

    def _counted(self) -> list[int]:
        if self._counts is None:
            # One answer for all masks of a device, as each makes the host wait.
            counts: dict[torch.device, list[Tensor]] = {}
            for mask in self._masks:
                counts.setdefault(mask.device, []).append(mask.count_nonzero())
            answers = {device: iter(torch.stack(own).tolist()) for device, own in counts.items()}
            self._counts = [int(next(answers[mask.device])) for mask in self._masks]
        return self._counts

    def __getstate__(self) -> dict[str, Any]:
        # Copies of masks count their changes anew.
        return self.__dict__ | {"_made_of": None, "_counts": None, "_numbers": {}}
