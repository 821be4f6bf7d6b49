"""Prunable layers that stay dense: they count as kept and belong to the base of the sparsity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from fggp.foundation.validation import nearest
from fggp.pruning.parameters import Layer
from fggp.pruning.prunable import choose, name_list, prunable
from fggp.pruning.timing import Method


class DenseLayers:
    """Splits the prunable parameters of a model into those to prune and those that stay dense.

    Args:
        model: the network.
        params: names of the parameters that sparsity is a share of; None for all prunable ones.
        dense: names of those among them that are never pruned.

    Attributes:
        base: the prunable parameters by name, in layer order.
        pruned: those of them that are pruned.
        left_out: the reason why each other parameter of two or more dimensions is neither, by name.

    Raises:
        ValueError: for a name that is not a prunable parameter, and if nothing is left to prune.

    """

    def __init__(
        self, model: nn.Module, params: Sequence[str] | None, dense: Sequence[str]
    ) -> None:
        dense = name_list("dense", dense)
        try:
            kept = prunable(model, dense) if dense else {}
        except (ValueError, TypeError) as error:
            raise type(error)(str(error).replace("params:", "dense:", 1)) from None
        choice = choose(model, None if params is None else [*name_list("params", params), *dense])
        self.left_out, self.base = choice.left_out, choice.parameters
        base = self.base
        for name in kept.keys() - base.keys():
            raise ValueError(f"dense: {name!r} is not prunable; remove it")
        self._order = list(base)
        self.pruned = {name: p for name, p in base.items() if name not in kept}
        if not self.pruned:
            raise ValueError("dense: all prunable layers are dense; leave one out")
        self.masks = {name: torch.ones_like(p, dtype=torch.bool) for name, p in kept.items()}

    @property
    def weights(self) -> int:
        """The number of weights that stay dense."""
        return sum(mask.numel() for mask in self.masks.values())

    @property
    def total(self) -> int:
        """N, the number of weights that sparsity is a share of, the dense ones included."""
        return self.weights + sum(p.numel() for p in self.pruned.values())

    def keep(self, method: Method, update: int) -> int:
        """Return the number of weights of the pruned layers that stay after an update.

        Raises ValueError if the dense layers alone have more weights than the sparsity leaves.
        """
        whole = method.keep(update, self.total)
        if whole < self.weights:
            raise ValueError(
                f"{method.name}: dense layers have {self.weights} weights, and sparsity "
                f"{float(method.sparsity):.6g} keeps {whole}; leave one of "
                f"{', '.join(self.masks)} out of the dense layers, or prune less"
            )
        return whole - self.weights

    def with_masks(self, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return masks of the pruned layers and full ones of the dense layers, in layer order."""
        found = {**masks, **self.masks}
        return {name: found[name] for name in self._order}

    def with_layers(self, layers: Iterable[Layer]) -> list[Layer]:
        """Return the pruned layers and the dense ones, in layer order."""
        found = {layer.name: layer for layer in layers}
        for name, mask in self.masks.items():
            found[name] = Layer(name, tuple(mask.shape), mask.numel(), mask.numel())
        return [found[name] for name in self._order]


def named_layers(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Return the parameter names of prunable layers that a study names.

    Args:
        model: the network.
        names: each is ``first`` for the first prunable layer, a layer such as ``classifier``, or
            its weight, ``classifier.weight``.

    Raises:
        ValueError: for an unknown name, with the nearest known one.

    """
    weights = list(prunable(model))
    known = {name.removesuffix(".weight"): name for name in weights}
    known |= {name: name for name in weights} | {"first": weights[0]}
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is not a prunable layer{nearest(name, list(known))}")
    return [known[name] for name in names]
