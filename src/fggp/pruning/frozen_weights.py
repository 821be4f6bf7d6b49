"""Frozen weights, with scores that the optimizer trains in their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fggp.pruning.optimizers import Nest
from fggp.pruning.recipe import Soft
from fggp.pruning.soft_masking import SoftMasking


class FrozenWeights(SoftMasking):
    """Lets the optimizer train a score for each weight; the network's parameters stay unchanged.

    Before every ``optimizer.step()`` the scores are written into the parameters, with the gradient
    of the masked weights times the weights: that of the scores, passed straight through the mask.
    The gradients of all other parameters are removed, so that the optimizer does not change them.

    Args:
        parameters: the prunable tensors.
        nest: the optimizers that train them.
        soft: settings with the margin by which scores of pruned weights begin smaller.
        masks: the initial masks.

    Attributes:
        values: the scores.
        weights: the weights that the network computes with, if the masks keep them.

    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        nest: Nest,
        soft: Soft,
        masks: Sequence[Tensor],
    ) -> None:
        super().__init__(parameters, nest, soft)
        self.weights = self.values
        assert soft.margin is not None
        low = 1 - float(soft.margin)
        self.values = [
            torch.full_like(weight, low).masked_fill_(mask, 1)
            for weight, mask in zip(self.weights, masks, strict=True)
        ]

    @torch.no_grad()
    def show(self, masks: Sequence[Tensor], leak: float) -> None:
        """Give the model its weights on the masks; ``leak`` is 0."""
        self._masks = list(masks)
        self._write(self.weights, list(self.parameters))
        self._shown = self._versions()

    @property
    def _model_weights(self) -> Sequence[Tensor]:
        return self.weights

    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        super()._before(optimizer, args, kwargs)
        own = set(map(id, self.parameters))
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if id(parameter) not in own:
                    parameter.grad = None

    def _adjust(self, gradient: Tensor, value: Tensor, index: int, mask: Tensor) -> None:
        gradient.mul_(self.weights[index])
