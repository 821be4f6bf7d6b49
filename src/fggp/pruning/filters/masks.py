"""Masks of whole filters: rows and columns, so that the masked network equals the shrunk one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from fggp.pruning.filters.groups import Group, groups
from fggp.pruning.filters.positions import LAYERS, output_positions

Flags = list[Tensor]
"""``(channels,)`` bool for each group, True where a channel is kept."""


class FilterMasks:
    """Turns kept channels into masks of weights, and counts the weights that they keep.

    A group with a layer that is not pruned is left whole, as the weights of the layer have no mask.

    Args:
        model: the network.
        parameters: its pruned tensors by name, in layer order.
        image: shape of one input without the batch, to count multiply-accumulates if they are asked
            for; None if only weights are counted.

    Attributes:
        groups: the groups that can be pruned.

    Raises:
        UnknownNetworkError: a ValueError, for a network whose groups cannot be found.
        ValueError: if no group can be pruned.

    """

    def __init__(
        self,
        model: nn.Module,
        parameters: Mapping[str, nn.Parameter],
        image: Sequence[int] | None = None,
    ) -> None:
        self._model = model
        self._shapes = {name: tuple(p.shape) for name, p in parameters.items()}
        self.groups = tuple(it for it in groups(model) if self._whole(it))
        if not self.groups:
            raise ValueError("filters: no group of channels can be pruned in these layers")
        self._rows: dict[str, int] = {}
        self._columns: dict[str, tuple[int, int]] = {}
        for index, group in enumerate(self.groups):
            self._rows |= {f"{name}.weight": index for name in group.producers}
            self._columns |= {f"{it.name}.weight": (index, it.repeat) for it in group.consumers}
        self._image = None if image is None else tuple(image)

    def _whole(self, group: Group) -> bool:
        """Whether all layers of a group are pruned."""
        names = (*group.producers, *(it.name for it in group.consumers))
        return all(f"{name}.weight" in self._shapes for name in names)

    def scales(self, *, change: bool = False) -> list[list[Tensor]]:
        """Return the scale γ of each batch normalization of each group, the parameters themselves.

        Args:
            change: whether the caller changes them, which a frozen one refuses.

        Raises:
            ValueError: if a group has none, or a frozen one that would be changed.

        """
        found = []
        for group in self.groups:
            modules: list[Any] = [self._model.get_submodule(it.name) for it in group.norms]
            if not modules or any(it.weight is None for it in modules):
                raise ValueError(
                    f"slimming acts on scales of batch normalization, which {group.producers[0]} "
                    "does not have; use another method"
                )
            for it, module in zip(group.norms, modules, strict=True):
                if change and not module.weight.requires_grad:
                    raise ValueError(
                        f"slimming changes {it.name}.weight, which is frozen; set its "
                        "requires_grad to True, or use another method, such as bn-filter"
                    )
            found.append([it.weight for it in modules])
        return found

    @property
    def counts(self) -> list[int]:
        """The number of channels of each group."""
        return [group.channels for group in self.groups]

    def masks(self, kept: Flags) -> list[Tensor]:
        """Return one flat mask for each pruned tensor, in layer order."""
        found = []
        for name, shape in self._shapes.items():
            mask = torch.ones(shape, dtype=torch.bool, device=kept[0].device)
            if name in self._rows:
                mask[~kept[self._rows[name]]] = False
            if name in self._columns:
                index, repeat = self._columns[name]
                mask[:, ~kept[index].repeat_interleave(repeat)] = False
            found.append(mask.reshape(-1))
        return found

    def kept(self, mask: Tensor) -> Flags:
        """Return the channels that a flat mask over all pruned tensors keeps."""
        tensors = self.split(mask)
        return [tensors[f"{it.producers[0]}.weight"].flatten(1).any(1) for it in self.groups]

    def split(self, vector: Tensor) -> dict[str, Tensor]:
        """Cut a flat vector over all pruned tensors into these tensors, by name."""
        parts = vector.split_with_sizes([prod(shape) for shape in self._shapes.values()])
        named = zip(self._shapes.items(), parts, strict=True)
        return {name: part.view(shape) for (name, shape), part in named}

    def weights(self, counts: Sequence[int]) -> int:
        """Return the number of weights left with the given number of channels in each group."""
        return sum(self._left(counts).values())

    def work(self, counts: Sequence[int]) -> int:
        """Return the multiply-accumulates of one image with these numbers of channels."""
        return sum(self.positions[name] * left for name, left in self._left(counts).items())

    @cached_property
    def positions(self) -> dict[str, int]:
        """The output positions of each pruned tensor for one image.

        Raises ValueError without the shape of an image, and for a tensor whose multiplications are
        not counted.
        """
        if self._image is None:
            raise ValueError(
                "budget: work counts multiplications of an image: give "
                "Pruner(..., batches=[(inputs, targets)])"
            )
        found = output_positions(self._model, self._image, LAYERS)
        for name in sorted(self._shapes.keys() - found.keys()):
            raise ValueError(
                f"budget: work: {name} is not the weight of a convolution or linear layer that is "
                "used, so its multiplications cannot be counted; leave it out with params=, or set "
                "budget: weights"
            )
        return found

    def _left(self, counts: Sequence[int]) -> dict[str, int]:
        left = {}
        for name, (rows, columns, *kernel) in self._shapes.items():
            if name in self._rows:
                rows = counts[self._rows[name]]  # noqa: PLW2901
            if name in self._columns:
                index, repeat = self._columns[name]
                columns = counts[index] * repeat  # noqa: PLW2901
            left[name] = rows * columns * prod(kernel)
        return left


def image_shape(batches: Any) -> tuple[int, ...] | None:
    """Return the shape of one input of the first batch, without the batch; None without batches."""
    first = next(iter(batches), None) if batches is not None else None
    return None if first is None else tuple(first[0].shape[1:])


Cost = Callable[[Sequence[int]], int]
