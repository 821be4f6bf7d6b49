"""The boolean masks of the prunable parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from fggp.pruning.buffers import Buffers
from fggp.pruning.initial_masks import Mask
from fggp.pruning.integer_masks import IntegerMasks
from fggp.pruning.parameters import Layer
from fggp.pruning.vectors import flat, like


class Masks:
    """The boolean masks of the prunable parameters.

    Args:
        parameters: the prunable tensors by name, in layer order.
        initial: a flat mask for each tensor.

    Attributes:
        by_name: the masks, each with the shape, device and memory layout of its parameter.

    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], initial: Iterable[Mask]) -> None:
        self._parameters = list(parameters.values())
        self.by_name = {
            name: like(torch.from_numpy(mask), parameter)
            for (name, parameter), mask in zip(parameters.items(), initial, strict=True)
        }
        self._integers = IntegerMasks(list(self.by_name.values()))
        self._emptied: set[str] = set()

    @property
    def flat(self) -> Tensor:
        """(N,) bool, a copy of all masks in layer order."""
        return flat(self.by_name.values())

    @property
    def integers(self) -> list[Tensor]:
        """The masks as integers, of the types that have been needed so far."""
        return self._integers.tensors

    def layers(self) -> list[Layer]:
        """Return the prunable tensors with their counts, in layer order."""
        return [
            Layer(name, tuple(mask.shape), count, mask.numel())
            for (name, mask), count in zip(self.by_name.items(), self._integers.counts, strict=True)
        ]

    def newly_emptied(self) -> list[str]:
        """Return the layers without a weight that had one at the last call, sorted by name."""
        before, self._emptied = self._emptied, {it.name for it in self.layers() if not it.kept}
        return sorted(self._emptied - before)

    @torch.no_grad()
    def write(self, new: Tensor) -> None:
        """Replace all masks in place by the flat (N,) mask ``new``."""
        sizes = [mask.numel() for mask in self.by_name.values()]
        for mask, part in zip(self.by_name.values(), new.split_with_sizes(sizes), strict=True):
            mask.copy_(part.view(mask.shape))
        self._integers.follow()

    def zero_others(self, buffers: Buffers) -> None:
        """Zero the weights off the masks in place, and their entries in an optimizer's buffers."""
        weights = [*enumerate(p.data for p in self._parameters)]
        self._integers.zero([*weights, *buffers.plain()])
        buffers.zero_coded([*self.by_name.values()])

    def zero_buffers(self, buffers: Buffers, survived: Tensor) -> None:
        """Zero an optimizer's buffers off the flat (N,) mask ``survived``, in place."""
        parts = survived.split_with_sizes([p.numel() for p in self._parameters])
        shaped = [like(part, p) for part, p in zip(parts, self._parameters, strict=True)]
        IntegerMasks(shaped).zero(buffers.plain())
        buffers.zero_coded(shaped)

    def check(self, saved: Mapping[str, Tensor]) -> None:
        """Raise ValueError if saved masks do not belong to these layers."""
        for name in saved.keys() - self.by_name.keys():
            raise ValueError(f"the state has a layer {name}, which is not pruned here")
        for name, mask in self.by_name.items():
            other = saved.get(name)
            if other is None or other.shape != mask.shape:
                found = "no mask" if other is None else f"a mask of shape {tuple(other.shape)}"
                raise ValueError(f"the state has {found} for {name} of shape {tuple(mask.shape)}")

    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Take over saved masks that have passed `check`."""
        for name, mask in self.by_name.items():
            mask.copy_(saved[name])
