"""The weights and the gradient of a forward pass, copied for a mask update.

An optimizer's step replaces the weights, and some optimizers write into ``.grad`` as well (SGD with
Nesterov momentum and ``foreach=True``, schedule-free ones, LARS). Both are copied before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Literal

import torch
from torch import Tensor, nn

from fggp.pruning.mask_update import Read, read_by
from fggp.pruning.optimizers import Nest
from fggp.pruning.step_hooks import Arguments
from fggp.pruning.timing import Method
from fggp.pruning.vectors import extremes, flat
from fggp.pruning.warning import warn

PATIENCE = 10
"""Updates that may become due while one waits for a layer that no step has used."""
UNUSED = "no step has used yet; if the loss never uses it, leave it out through params="
FROZEN = (
    "is frozen now; freeze it after the last mask update (pruner.settled), or use a method that "
    "reads no gradient"
)


class ForwardPass:
    """Copies the weights and the gradient of a forward pass before the step that follows it.

    Only tensors that the update after that step reads are copied; `clear` frees the copies. If a
    step was made by hand, so that no optimizer called the hook, the gradient is the current
    ``.grad``.

    A layer that a step does not use has no gradient, such as an expert that gets no sample. An
    update that reads gradients waits until each layer has had one, and reads the last of each.

    Args:
        parameters: the prunable tensors by name, in layer order.
        nest: the optimizers that train them.

    Attributes:
        parameters: the prunable tensors.
        weight: (N,) the weights, if they were copied.
        earlier: (N,) finite gradients of the last steps, if updates read a mean.

    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], nest: Nest) -> None:
        self._names, self.parameters = list(parameters), list(parameters.values())
        self._nest = nest
        self.weight: Tensor | None = None
        self.earlier: list[Tensor] = []
        self._waits_for: set[int] = set()
        self._late = 0
        self._gradient: Tensor | None = None
        self._some: dict[int, Tensor] | None = None  # if only some layers had a gradient
        self._past: dict[int, Tensor] = {}
        self._unused = set(range(len(self.parameters)))

    def gradient(self, method: Method, step: int, waiting: int | None) -> Tensor | None:
        """Return the (N,) gradient for an update after ``step``, or its mean over finite ones.

        None if no update is due or ``waiting``, or if a layer has no gradient. A gradient that is
        not finite is returned unchanged.
        """
        self._waits_for = set()
        steps = method.recipe.gradient_steps
        if waiting is None and not method.update_within(step, steps):
            return None
        last = self._whole("gradient" in read_by(method.recipe.rule))
        if last is None or steps == 1 or condition_of(last) == "not finite":
            return last
        self.earlier = [*self.earlier, last][-steps:]
        return torch.stack(self.earlier).mean(0)

    def waits(self, due: bool) -> bool:
        """Whether an update has to wait for the gradient of a layer; call `gradient` first.

        If an update is ``due`` while the one before still waits for layers that no step has used,
        or that are frozen now, a warning names them. RuntimeError is raised after `PATIENCE` such
        updates if no step has used them.
        """
        frozen = {i for i in self._waits_for if not self.parameters[i].requires_grad}
        unused = (self._waits_for & self._unused) - frozen
        self._late += due and bool(unused or frozen)
        if due and (unused or frozen) and self._late > 1:
            names = ", ".join(self._names[i] for i in sorted(unused or frozen))
            reason = UNUSED if unused else FROZEN
            message = f"a mask update waits for the gradient of {names}, which {reason}"
            if self._late > PATIENCE and unused:
                raise RuntimeError(message)
            if self._late == 2:
                warn(message)
        return bool(self._waits_for)

    def usable(self, gradient: Tensor | None, method: Method) -> bool:
        """Whether an update can be made; warns if a gradient that it reads is zero everywhere."""
        condition = condition_of(gradient)
        if condition == "zero" and "gradient" in read_by(method.recipe.rule):
            warn("all gradients are zero at a mask update; call pruner.step() before zero_grad()")
        return condition != "not finite"

    def _whole(self, read: bool) -> Tensor | None:
        """Return the gradient of all layers, if necessary of the last step that used each."""
        if self._gradient is None and self._some is None:
            self._take(None, seen=False)
        if self._gradient is None and read and self._some is not None:
            self._past |= self._some
            every = range(len(self.parameters))
            self._waits_for = {*every} - self._past.keys()
            if not self._waits_for:
                self._gradient = flat(self._past[i] for i in every)
        if self._gradient is not None:
            self._past = {}
        return self._gradient

    def copy_weights(self, needed: frozenset[Read]) -> None:
        """Copy the weights if the next update reads them, before a step that calls no hook."""
        if "forward_weight" in needed:
            self.weight = flat(self.parameters)

    @property
    def recorded(self) -> bool:
        """Whether a step now is recorded, as into a CUDA graph, and not made."""
        return _capturing(self.parameters[0].device)

    def clear(self) -> None:
        """Free the copies."""
        self.weight = self._gradient = self._some = None

    @property
    def state(self) -> dict[str, Any]:
        """The gradients of earlier steps, and the layers that have had none."""
        return {"past": dict(self._past), "unused": sorted(self._unused)}

    def load(self, earlier: Sequence[Tensor], state: Mapping[str, Any] | None) -> None:
        """Take over the gradients of a saved state."""
        device = self.parameters[0].device
        self.earlier = [gradient.to(device) for gradient in earlier]
        state = state or {"past": {}, "unused": range(len(self.parameters))}
        self._past = {i: x.to(self.parameters[i].device) for i, x in state["past"].items()}
        self._unused = set(state["unused"])
        self.clear()

    def before(
        self, needed: frozenset[Read], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Arguments | None:
        """Copy the needed tensors before a step; returns new arguments if these have a closure."""
        self.clear()
        if not needed and not self._unused:
            return None
        closure = args[1] if len(args) > 1 else kwargs.get("closure")
        if not callable(closure):
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
        if self._unused:
            self._unused -= {i for i in self._unused if self.parameters[i].grad is not None}
        if "forward_weight" in needed:
            self.weight = flat(self.parameters)
        if "gradient" in needed:
            # A fused optimizer gets gradients that a gradient scaler has multiplied.
            self._take(self._nest.grad_scale, seen=True)

    def _take(self, scale: Tensor | None, *, seen: bool) -> None:
        """Copy the current gradients, divided by the factor of a gradient scaler.

        After a step that no hook has ``seen``, all may have been cleared.
        """
        self._gradient = self._some = None
        # That of a frozen layer is zero, or of an earlier step.
        found = {
            i: p.grad.to_dense()
            for i, p in enumerate(self.parameters)
            if p.grad is not None and p.requires_grad
        }
        self._unused -= found.keys()
        if len(found) == len(self.parameters):
            gradient = flat(found.values())
            self._gradient = gradient if scale is None else gradient / scale
        elif found or seen:
            self._some = {i: g.clone() if scale is None else g / scale for i, g in found.items()}


def _capturing(device: torch.device) -> bool:
    """Whether work launched on a device now is recorded, as into a CUDA graph, and not run."""
    if device.type in {"cpu", "meta"}:
        return False
    asked = getattr(torch.get_device_module(device), "is_current_stream_capturing", None)
    return asked is not None and bool(asked())


def condition_of(gradient: Tensor | None) -> Literal["missing", "not finite", "zero", "usable"]:
    """Return the condition of a gradient for an update."""
    if gradient is None:
        return "missing"
    ends = extremes(gradient)
    if not all(isfinite(end) for end in ends):
        return "not finite"
    return "zero" if ends == (0.0, 0.0) else "usable"
