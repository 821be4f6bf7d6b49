"""The full weights of a method with soft masking, beside the masked ones that the model holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fggp.pruning.recipe import Soft


class SoftMasking:
    """Lets the optimizer train all weights while the model computes with the masked ones.

    Before every ``optimizer.step()`` the full weights go into the parameters, with the gradient
    that was measured at the masked ones; `take` and `show` follow the step.

    Args:
        parameters: the prunable tensors.
        optimizer: what trains them.
        soft: how much of a pruned weight the model sees, and what gradient it gets.

    """

    def __init__(
        self, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer, soft: Soft
    ) -> None:
        self.parameters, self.optimizer, self.soft = parameters, optimizer, soft
        self.values = [parameter.detach().clone() for parameter in parameters]
        self._factors: list[Tensor] | None = None
        self._inside = False
        self._hook = optimizer.register_step_pre_hook(self._before)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # A copied optimizer has lost its hooks.
        self._hook = self.optimizer.register_step_pre_hook(self._before)

    @torch.no_grad()
    def take(self) -> None:
        """Keep what the optimizer made of the full weights, if it made a step."""
        if self._inside:
            torch._foreach_copy_(self.values, list(self.parameters))
        self._inside = False

    @torch.no_grad()
    def show(self, masks: Sequence[Tensor], leak: float) -> None:
        """Give the model the full weights on the masks and the share ``leak`` of them off them."""
        self._factors = None
        if leak == 0:
            # On a CPU a number multiplies much faster than a boolean.
            pairs = zip(self.values, masks, strict=True)
            self._factors = [mask.to(value.dtype) for value, mask in pairs]
        elif leak != 1:
            pairs = zip(self.values, masks, strict=True)
            self._factors = [torch.full_like(v, leak).masked_fill_(mask, 1) for v, mask in pairs]
        torch._foreach_copy_(list(self.parameters), self.values)
        if self._factors is not None:
            torch._foreach_mul_(list(self.parameters), self._factors)

    def close(self) -> None:
        """Step aside: the parameters are what they are from now on."""
        self._hook.remove()

    @torch.no_grad()
    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        closure = (*args[1:], kwargs.get("closure"))[0]  # the first argument is the optimizer
        if closure is not None:
            raise RuntimeError(
                "a method with soft masking cannot train with a closure, which would see the "
                "unmasked weights; call loss.backward() and then optimizer.step()"
            )
        # Where nobody has shown the masks since the last step, the model is not masked at all.
        factors = None if self._inside else self._factors
        self.take()
        for index, (parameter, value) in enumerate(zip(self.parameters, self.values, strict=True)):
            if parameter.grad is not None and factors is not None:
                self._adjust(parameter.grad, value, factors[index])
            parameter.copy_(value)
        self._inside = True

    def _adjust(self, gradient: Tensor, value: Tensor, factor: Tensor) -> None:
        if not self.soft.straight:
            gradient.mul_(factor)
        if self.soft.pull:
            # A fused optimizer gets gradients that a gradient scaler has multiplied.
            scale = getattr(self.optimizer, "grad_scale", None)
            pull = value * (factor != 1) * float(self.soft.pull)
            gradient.add_(pull if scale is None else pull * scale)
