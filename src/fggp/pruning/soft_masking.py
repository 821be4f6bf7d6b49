"""Soft masking: the optimizer trains the full weights, the model contains the masked ones."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fggp.pruning.integer_masks import zero_off, zeroed
from fggp.pruning.optimizers import Nest
from fggp.pruning.recipe import Soft
from fggp.pruning.warning import warn


class SoftMasking:
    """Lets the optimizer train all weights while the model computes with the masked ones.

    Before every ``optimizer.step()`` the full weights are written into the parameters, with the
    gradient that was computed at the masked ones; `take` and `show` follow the step.

    Args:
        parameters: the prunable tensors.
        nest: the optimizers that train them.
        soft: the share of a pruned weight that the model sees, and the gradient that it gets.

    """

    def __init__(self, parameters: Sequence[nn.Parameter], nest: Nest, soft: Soft) -> None:
        self.parameters, self.nest, self.soft = parameters, nest, soft
        self.values = [parameter.detach().clone() for parameter in parameters]
        self._factors: list[Tensor] | None = None
        self._masks: list[Tensor] | None = None
        self._inside = False
        self._shown: list[int] | None = None  # versions of the parameters when they were shown
        self._hooks: list[RemovableHandle] = []
        self.bind()

    def __getstate__(self) -> dict[str, Any]:
        # A copied optimizer has lost its hooks, and copied tensors restart their versions.
        return self.__dict__ | {"_hooks": [], "_shown": None}

    def bind(self) -> None:
        """Follow the steps of the optimizers, which do not keep this object alive."""
        self.close()
        own = weakref.ref(self)

        def before(optimizer: Any, args: Any, kwargs: Any) -> None:
            if (alive := own()) is not None:
                alive._before(optimizer, args, kwargs)

        # Of the inner optimizers: a wrapper may have written other weights before.
        self._hooks = [x.register_step_pre_hook(before) for x in self.nest.workers]

    @torch.no_grad()
    def take(self) -> None:
        """Keep the full weights as the optimizer left them, if it made a step."""
        if self._inside:
            torch._foreach_copy_(self.values, list(self.parameters))
        self._inside = False

    @torch.no_grad()
    def show(self, masks: Sequence[Tensor], leak: float) -> None:
        """Give the model the full weights on the masks and the share ``leak`` of them off them."""
        self._factors = self._masks = None
        if leak != 1:
            self._masks = list(masks)
        if leak not in {0, 1}:
            pairs = zip(self.values, masks, strict=True)
            self._factors = [torch.full_like(v, leak).masked_fill_(mask, 1) for v, mask in pairs]
        self._write(self.values, list(self.parameters))
        self._shown = self._versions()

    def _write(self, full: Sequence[Tensor], to: Sequence[Tensor]) -> None:
        """Write full weights into tensors as the model sees them."""
        torch._foreach_copy_(list(to), list(full))
        if self._factors is not None:
            torch._foreach_mul_(list(to), self._factors)
        elif self._masks is not None:
            zero_off([it.data for it in to], self._masks)

    def _versions(self) -> list[int]:
        return [0 if p.is_inference() else p._version for p in self.parameters]

    @property
    def _model_weights(self) -> Sequence[Tensor]:
        """The weights that the model sees where the masks keep them."""
        return self.values

    def _warn_if_changed(self) -> None:
        """Warn if the loop has written weights into the model since they were shown."""
        # A wrapper writes other weights before the step inside, and writes them back.
        if self._shown in (None, self._versions()) or self.nest.wrappers:
            return
        shown = [torch.empty_like(p) for p in self.parameters]
        self._write(self._model_weights, shown)
        pairs = zip(shown, self.parameters, strict=True)
        if not all(torch.allclose(a, b, equal_nan=True) for a, b in pairs):
            warn(
                "weights that were changed in the model after pruner.step(), as by clamping or "
                "loading them, are lost: with soft masking the pruner keeps the full weights; "
                "change them between optimizer.step() and pruner.step(), or load the pruner's "
                "state too"
            )

    def close(self) -> None:
        """Remove the hooks: the parameters are no longer changed."""
        for hook in self._hooks:
            hook.remove()

    @torch.no_grad()
    def _before(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        closure = (*args[1:], kwargs.get("closure"))[0]  # the first argument is the optimizer
        if closure is not None:
            raise RuntimeError(
                "a method with soft masking cannot train with a closure, which would see the "
                "unmasked weights; call loss.backward() and then optimizer.step()"
            )
        # If `show` was not called since the last step, the model is not masked at all.
        masks = None if self._inside else self._masks
        if not self._inside:
            self._warn_if_changed()
        self.take()
        for index, (parameter, value) in enumerate(zip(self.parameters, self.values, strict=True)):
            if parameter.grad is not None and masks is not None:
                self._adjust(parameter.grad, value, index, masks[index])
            parameter.copy_(value)
        self._inside = True

    def _adjust(self, gradient: Tensor, value: Tensor, index: int, mask: Tensor) -> None:
        if not self.soft.straight:
            if self._factors is None and not gradient.is_sparse:
                gradient.copy_(zeroed(gradient, mask))
            else:
                gradient.mul_(mask if self._factors is None else self._factors[index])
        if self.soft.pull:
            # A fused optimizer gets gradients that a gradient scaler has multiplied.
            scale = self.nest.grad_scale
            pull = zeroed(value, ~mask) * float(self.soft.pull)
            gradient.add_(pull if scale is None else pull * scale)
