"""What a mask update reads of a forward pass: its weights, and the gradient taken at them.

An optimizer's step replaces the weights, and some optimizers write into ``.grad`` as well (SGD with
Nesterov momentum and ``foreach=True``, schedule-free ones, LARS). So both are copied before it.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fggp.pruning.mask_update import Read
from fggp.pruning.parameters import extremes, flat, hooked, inmost
from fggp.pruning.timing import Method

Step = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a step by position, the optimizer first, and by name."""


class ForwardPass:
    """Copies the weights and the gradient of a forward pass before the step that follows it.

    Only what the update after that step reads is copied; `clear` frees the copies. Where a step was
    made by hand, so that no optimizer called the hook, the gradient is the present ``.grad``.

    Args:
        parameters: the prunable tensors, in layer order.
        optimizer: what the user steps; the hook is on the outermost one that calls hooks.
        needed: returns what an update after the next step reads, nothing where none is due.

    Attributes:
        weight: (N,) the weights, where they were copied.
        earlier: (N,) finite gradients of the last steps, where updates read a mean.

    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        optimizer: torch.optim.Optimizer,
        needed: Callable[[], frozenset[Read]],
    ) -> None:
        self._parameters, self._optimizer, self._needed = parameters, optimizer, needed
        self.weight: Tensor | None = None
        self.earlier: list[Tensor] = []
        self._gradient: Tensor | None = None
        self._register()

    def gradient(self, method: Method, step: int, waiting: int | None) -> Tensor | None:
        """Return the (N,) gradient for an update after ``step``, or its mean over finite ones.

        None where no update is due or ``waiting``, or where a parameter has no gradient. One that
        is not finite is returned as it is.
        """
        steps = method.recipe.gradient_steps
        if waiting is None and not method.update_within(step, steps):
            return None
        last = self._present() if self._gradient is None else self._gradient
        if last is None or steps == 1 or condition_of(last) == "not finite":
            return last
        self.earlier = [*self.earlier, last][-steps:]
        return torch.stack(self.earlier).mean(0)

    def copy_weights(self) -> None:
        """Copy the weights if the next update reads them.

        For a step that calls no hook, as one that is replayed from a CUDA graph.
        """
        if "forward_weight" in self._needed():
            self.weight = flat(self._parameters)

    def clear(self) -> None:
        """Free the copies."""
        self.weight = self._gradient = None

    def load(self, earlier: Sequence[Tensor]) -> None:
        """Take over the gradients of a saved state."""
        self.earlier = [gradient.to(self._parameters[0].device) for gradient in earlier]
        self.clear()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._register()  # a copied optimizer has lost its hooks

    def _register(self) -> None:
        own = weakref.ref(self)  # an optimizer that lives on keeps no pruner that is gone

        def before(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> Step | None:
            alive = own()
            return None if alive is None else alive._before(args, kwargs)

        hooked(self._optimizer).register_step_pre_hook(before)

    def _before(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Step | None:
        if _capturing(self._parameters[0].device):
            return None  # a copy would become part of the graph
        self.clear()
        needed = self._needed()
        if not needed:
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if closure is None:
            self._copy(needed)
            return None

        def copying() -> Any:
            loss = closure()
            self._copy(needed)
            return loss

        if len(args) > 1:
            return (args[0], copying, *args[2:]), kwargs
        return args, {**kwargs, "closure": copying}

    def _copy(self, needed: frozenset[Read]) -> None:
        if "forward_weight" in needed:
            self.weight = flat(self._parameters)
        if "gradient" in needed and (gradient := self._present()) is not None:
            # A fused optimizer gets gradients that a gradient scaler has multiplied.
            scale = getattr(inmost(self._optimizer), "grad_scale", None)
            self._gradient = gradient if scale is None else gradient / scale

    def _present(self) -> Tensor | None:
        gradients = [p.grad.to_dense() for p in self._parameters if p.grad is not None]
        return flat(gradients) if len(gradients) == len(self._parameters) else None


def _capturing(device: torch.device) -> bool:
    """Whether what is launched on a device now is recorded, as into a CUDA graph, and not run."""
    if device.type in {"cpu", "meta"}:
        return False
    asked = getattr(torch.get_device_module(device), "is_current_stream_capturing", None)
    return asked is not None and bool(asked())


def condition_of(gradient: Tensor | None) -> Literal["missing", "not finite", "zero", "usable"]:
    """Return whether an update can be made by a gradient."""
    if gradient is None:
        return "missing"
    ends = extremes(gradient)
    if not all(isfinite(end) for end in ends):
        return "not finite"
    return "zero" if ends == (0.0, 0.0) else "usable"
