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
    float32. On a CPU, masks that mark everything are left out: a product with 1 changes no bit.

    Args:
        masks: bool; they may be changed in place at any time.

    """

    def __init__(self, masks: Sequence[Tensor]) -> None:
        self._masks = list(masks)
        # To look at a mask on a GPU would be to wait for it.
        self._looks = all(mask.device.type == "cpu" for mask in masks)
        self._made_of: list[int] | None = None
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

    @torch.no_grad()
    def follow(self) -> None:
        """Bring the numbers up to masks that have changed; on a GPU they stay where they are."""
        tracked = not any(mask.is_inference() for mask in self._masks)
        now = [mask._version for mask in self._masks] if tracked else None
        if now is None or now != self._made_of:
            if self._looks:
                self._numbers.clear()
            for numbers in self._numbers.values():
                for number, mask in zip(numbers, self._masks, strict=True):
                    if number is not None:
                        number.copy_(mask)
        self._made_of = now

    def _of(self, dtype: torch.dtype) -> list[Tensor | None]:
        if dtype not in self._numbers:
            self._numbers[dtype] = [self._number(mask, dtype) for mask in self._masks]
        return self._numbers[dtype]

    def _number(self, mask: Tensor, dtype: torch.dtype) -> Tensor | None:
        full = self._looks and mask.count_nonzero() == mask.numel()
        return None if full else mask.to(dtype)

    def __getstate__(self) -> dict[str, Any]:
        # Copies of masks count their changes anew.
        return self.__dict__ | {"_made_of": None, "_numbers": {}}
