"""Hard and soft masking of a model's weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

import torch
from torch import Tensor, nn

from fggp.pruning.buffers import Buffers
from fggp.pruning.frozen_weights import FrozenWeights
from fggp.pruning.initial_masks import Mask
from fggp.pruning.mask_update import Update
from fggp.pruning.masks import Masks
from fggp.pruning.optimizers import Nest
from fggp.pruning.recipe import Soft
from fggp.pruning.soft_masking import SoftMasking
from fggp.pruning.vectors import flat


class Masking:
    """The masks of a model, and how they act on its weights and on its optimizer's buffers.

    Hard masking zeroes both off the masks. Soft masking leaves the buffers unchanged; the model
    contains the masked weights, and the full ones are kept separately.

    Args:
        parameters: the prunable tensors by name, in layer order.
        nest: the optimizers that train them.
        soft: settings of soft masking; None if masking is hard.
        initial: a flat mask for each parameter.

    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        nest: Nest,
        soft: Soft | None,
        initial: Iterable[Mask],
    ) -> None:
        self._parameters, self._nest = list(parameters.values()), nest
        self._buffers = Buffers(nest, parameters)
        self._settings = soft
        self.masks = Masks(parameters, initial)
        self._soft = self._begin_soft()

    @property
    def soft(self) -> bool:
        """Whether masking is soft now; a method may end with hard masking."""
        return self._soft is not None

    @property
    def full(self) -> list[Tensor] | None:
        """The full weights that soft masking trains, or their scores; None if masking is hard."""
        return None if self._soft is None else self._soft.values

    @property
    def frozen(self) -> list[Tensor] | None:
        """The weights, if the optimizer trains scores in their place."""
        return self._soft.weights if isinstance(self._soft, FrozenWeights) else None

    def _begin_soft(self) -> SoftMasking | None:
        if self._settings is None:
            return None
        if self._settings.margin is None:
            return SoftMasking(self._parameters, self._nest, self._settings)
        masks = list(self.masks.by_name.values())
        return FrozenWeights(self._parameters, self._nest, self._settings, masks)

    @property
    def flat_weights(self) -> Tensor:
        """(N,) the input of a rule: the weights, or with soft masking the trained values."""
        return flat(self._weights)

    @property
    def _weights(self) -> list[Tensor]:
        return [*self._parameters] if self._soft is None else self._soft.values

    def leak(self, window: Fraction) -> float | None:
        """Return the share of a pruned weight that the model sees; None if masking is hard."""
        return None if self._soft is None else float(self._soft.soft.leak(window))

    def apply(self, leak: float | None) -> None:
        """Zero weights and buffers off the masks in place, or give the model the masked weights."""
        if self._soft is None or leak is None:
            self.masks.zero_others(self._buffers)
        else:
            self._soft.take()
            self._soft.show(list(self.masks.by_name.values()), leak)

    def take(self) -> None:
        """Keep the full weights that the optimizer's step left in the model, if masking is soft."""
        if self._soft is not None:
            self._soft.take()

    @torch.no_grad()
    def write(self, after: Update) -> None:
        """Take over the masks and weights of a rule, and zero buffers that did not survive."""
        self.masks.write(after.mask)
        parts = after.weight.split_with_sizes(list(after.sizes))
        for weight, new in zip(self._weights, parts, strict=True):
            weight.copy_(new.view(weight.shape))
        if self._soft is None:
            self.masks.zero_buffers(self._buffers, after.survived)

    def harden(self) -> None:
        """Replace soft masking by hard masking from now on."""
        if self._soft is not None:
            self._soft.show(list(self.masks.by_name.values()), 0.0)
            self._soft.close()
            self._soft = None
            self.apply(None)

    def bind(self) -> None:
        """Follow the optimizers again after a copy, which has lost their hooks."""
        if self._soft is not None:
            self._soft.bind()

    def load(self, full: list[Tensor] | None, frozen: list[Tensor] | None = None) -> None:
        """Take over `full` and `frozen` of a saved state; None if its masking is hard."""
        if self._soft is not None:
            self._soft.close()
            self._soft = None
        if full is not None:
            assert self._settings is not None  # the state is of the same method
            self._soft = self._begin_soft()
            assert self._soft is not None
            torch._foreach_copy_(self._soft.values, full)
            if isinstance(self._soft, FrozenWeights) and frozen is not None:
                torch._foreach_copy_(self._soft.weights, frozen)
