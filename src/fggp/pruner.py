"""The pruner: owns the masks and the step count of one model in training."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fggp.streams import stream
from fggp.timing import Method
from fggp.update import Update


@dataclass(frozen=True)
class Layer:
    """One prunable tensor: its name, shape, number of kept weights and number of all weights."""

    name: str
    shape: tuple[int, ...]
    kept: int
    total: int


class Pruner:
    """Prunes a model while any loop trains it.

    Call `step` after ``optimizer.step()`` and before ``optimizer.zero_grad()``. Weights and the
    optimizer's buffers are zeroed in place off the mask after every step; the model stays an
    ordinary module with unchanged state_dict keys and dense gradients.

    Args:
        model: the network; every parameter with two or more dimensions is prunable.
        optimizer: the optimizer that trains it.
        method: what to prune and when.
        seed: of the initial mask and of random growth.
        params: names of the parameters to prune, where not all prunable ones are meant.

    Raises:
        ValueError: for a name that is not a parameter, or a parameter the optimizer does not have.

    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        method: Method,
        *,
        seed: int = 0,
        params: Sequence[str] | None = None,
    ) -> None:
        self.method = method
        self.optimizer = optimizer
        self.parameters = prunable(model, params)
        _check_owned(self.parameters, optimizer)
        _check_floor(method, [p.numel() for p in self.parameters.values()])
        self.seed = seed
        self.steps = 0
        self._waiting: int | None = None
        self._gradients: list[Tensor] = []
        shapes = [tuple(p.shape) for p in self.parameters.values()]
        initial = method.recipe.initial(
            shapes, method.keep(0, self.total), stream(seed, "initial-mask")
        )
        self.masks = {
            name: _like(torch.from_numpy(mask), p)
            for (name, p), mask in zip(self.parameters.items(), initial, strict=True)
        }
        self.apply()

    @property
    def total(self) -> int:
        """N, the number of prunable weights."""
        return sum(p.numel() for p in self.parameters.values())

    @property
    def sparsity(self) -> float:
        """The share of prunable weights that the masks remove now."""
        return 1 - sum(layer.kept for layer in self.layers()) / self.total

    def layers(self) -> list[Layer]:
        """Return the prunable tensors in layer order."""
        kept = torch.stack([mask.sum() for mask in self.masks.values()]).tolist()
        return [
            Layer(name, tuple(mask.shape), count, mask.numel())
            for (name, mask), count in zip(self.masks.items(), kept, strict=True)
        ]

    def step(self) -> int | None:
        """Mask weights and momentum after an optimizer step, and update the masks where due.

        Returns the number of the mask update that was made, or None. An update that meets a
        gradient that is not finite waits for the next good step.
        """
        self.steps += 1
        self.apply()
        due = self.method.update_at(self.steps)
        if due is not None:
            self._waiting = due
        gradient = self._gradient()
        return None if self._waiting is None else self._update(self._waiting, gradient)

    def attach(self) -> RemovableHandle:
        """Step by itself after every ``optimizer.step()``, for loops that are not yours.

        A step that a gradient scaler skips is not counted. Returns a handle whose ``remove()``
        detaches the pruner.
        """

        def after(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            self.step()

        return self.optimizer.register_step_post_hook(after)

    def apply(self) -> None:
        """Zero weights and optimizer buffers off the masks, in place."""
        self._keep(list(self.masks.values()))

    def state_dict(self) -> dict[str, Any]:
        """Return what resuming needs."""
        return {
            "method": self._identity,
            "seed": self.seed,
            "steps": self.steps,
            "waiting": self._waiting,
            "masks": dict(self.masks),
            "gradients": self._gradients,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`.

        Raises ValueError, changing nothing, where the method, its timing or the layers differ.
        """
        if state["method"] != self._identity:
            raise ValueError(f"the state is of {state['method']}, this pruner of {self._identity}")
        for name in state["masks"].keys() - self.masks.keys():
            raise ValueError(f"the state has a layer {name}, which is not pruned here")
        for name, mask in self.masks.items():
            other = state["masks"].get(name)
            if other is None or other.shape != mask.shape:
                found = "nothing" if other is None else f"a mask of shape {tuple(other.shape)}"
                raise ValueError(f"layer {name} of shape {tuple(mask.shape)} found {found}")
        self.seed, self.steps, self._waiting = state["seed"], state["steps"], state["waiting"]
        device = next(iter(self.parameters.values())).device
        self._gradients = [gradient.to(device) for gradient in state["gradients"]]
        for name, mask in self.masks.items():
            mask.copy_(state["masks"][name])

    def __str__(self) -> str:
        rows = [f"{x.name:<40} {x.kept:>12,} / {x.total:>12,}" for x in self.layers()]
        target, steps = float(self.method.sparsity), self.method.timing.steps
        reached = f"sparsity {self.sparsity:.6f} of {target:.6g} after step {self.steps} of {steps}"
        return "\n".join([*rows, f"{self.method.name}: {reached}"])

    @property
    def _identity(self) -> str:
        method = self.method
        return f"{method.name} {method.initial_sparsity} to {method.sparsity}, {method.timing}"

    def _update(self, update: int, gradient: Tensor | None) -> int | None:
        if gradient is not None and not bool(gradient.isfinite().all()):
            return None
        if gradient is not None and not bool(gradient.any()):
            warnings.warn(
                "all gradients are zero at a mask update; call pruner.step() before zero_grad()",
                RuntimeWarning,
                stacklevel=3,
            )
        rule = self.method.recipe.rule
        assert rule is not None  # update_at is None without a rule
        sizes = [p.numel() for p in self.parameters.values()]
        mask = _flat(self.masks.values())
        after = rule(
            Update(
                weight=_flat(self.parameters.values()),
                dense_gradient=gradient,
                mask=mask,
                survived=mask,
                sizes=tuple(sizes),
                keep=self.method.keep(update, self.total),
                window=self.method.window(update),
                training=Fraction(self.steps, self.method.timing.steps),
                random=stream(self.seed, "update", update),
            )
        )
        for own, new in zip(self.masks.values(), after.mask.split_with_sizes(sizes), strict=True):
            own.copy_(new.view(own.shape))
        survived = zip(
            after.survived.split_with_sizes(sizes), self.parameters.values(), strict=True
        )
        self._keep([_like(new, p) for new, p in survived])
        self._waiting = None
        self._gradients = []
        return update

    def _gradient(self) -> Tensor | None:
        """Return the gradient for an update at this step: the last one, or a mean of the last."""
        steps = self.method.recipe.gradient_steps
        if self._waiting is None and not self.method.update_within(self.steps, steps):
            return None
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        if len(gradients) < len(self.parameters):
            return None
        last = _flat(gradients)
        if steps == 1 or not bool(last.isfinite().all()):
            return last
        self._gradients = [*self._gradients, last][-steps:]
        return torch.stack(self._gradients).mean(0)

    @torch.no_grad()
    def _keep(self, masks: list[Tensor]) -> None:
        tensors, factors = [], []
        for parameter, mask in zip(self.parameters.values(), masks, strict=True):
            buffers = self.optimizer.state.get(parameter, {}).values()
            for tensor in (parameter.data, *buffers):
                if isinstance(tensor, Tensor) and tensor.shape == mask.shape:
                    tensors.append(tensor)
                    factors.append(mask)
        torch._foreach_mul_(tensors, factors)


def prunable(model: nn.Module, names: Sequence[str] | None = None) -> dict[str, nn.Parameter]:
    """Return the parameters to prune: those named, or all trainable ones of two dimensions or more.

    Raises ValueError for a name that is not a parameter or is frozen, and where none is left.
    """
    if isinstance(names, str):
        raise ValueError(f"params: {names!r} is one name; give a list of names")
    parameters = dict(model.named_parameters())
    if names is None:
        names = [name for name, p in parameters.items() if p.ndim > 1 and p.requires_grad]
    unknown = [name for name in names if name not in parameters]
    if unknown:
        raise ValueError(f"params: the model has no parameter {unknown[0]!r}")
    frozen = [name for name in names if not parameters[name].requires_grad]
    if frozen:
        raise ValueError(f"params: {frozen[0]!r} is frozen; leave it out")
    if not names:
        raise ValueError("params: there is nothing to prune; name parameters of the model")
    return {name: p for name, p in parameters.items() if name in set(names)}


def _check_owned(parameters: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    owned = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in parameters.items():
        if id(parameter) not in owned:
            raise ValueError(f"the optimizer does not train {name}; leave it out through params=")


def _check_floor(method: Method, sizes: list[int]) -> None:
    floors = sum(ceil(method.recipe.floor * size) for size in sizes)
    keep = method.keep(method.timing.updates, sum(sizes))
    if floors > keep:
        raise ValueError(
            f"{method.name}: the floors of all layers keep {floors} weights, the target only "
            f"{keep}; the floor has to be below {float(1 - method.sparsity):.6g}"
        )


def _flat(tensors: Iterable[Tensor]) -> Tensor:
    """Concatenate tensors by their logical index, whatever their memory layout."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def _like(flat: Tensor, parameter: Tensor) -> Tensor:
    """Give a flat mask the shape, device and memory layout of a parameter."""
    mask = torch.empty_like(parameter, dtype=torch.bool)
    return mask.copy_(flat.view(parameter.shape))
