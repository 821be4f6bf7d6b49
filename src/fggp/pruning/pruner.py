"""The pruner: owns the masks and the step count of one model in training."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fggp.foundation.random_streams import stream
from fggp.pruning.float_masks import Factors
from fggp.pruning.initial_masks import Beginning
from fggp.pruning.mask_update import Loss, Update
from fggp.pruning.parameters import (
    Layer,
    check_floor,
    check_optimizer,
    extremes,
    flat,
    inmost,
    like,
    prunable,
    unwrapped,
)
from fggp.pruning.rewinding import Rewinding
from fggp.pruning.rules import grows
from fggp.pruning.soft_masking import DenseCopy
from fggp.pruning.timing import Method


class Pruner:
    """Prunes a model while any loop trains it.

    Call `step` after ``optimizer.step()`` and before ``optimizer.zero_grad()``. Weights and the
    optimizer's buffers are zeroed in place off the mask after every step; the model stays an
    ordinary module with unchanged state_dict keys and dense gradients. Where masking is soft, the
    model holds the masked weights and the pruner the full ones.

    Args:
        model: the network; every parameter with two or more dimensions is prunable. With
            DistributedDataParallel, gradients are averaged before the pruner sees them, so that
            equal seeds give equal masks on all ranks.
        optimizer: the optimizer that trains it.
        method: what to prune and when.
        seed: of the initial mask and of random growth; the same on all ranks.
        batches: pairs of inputs and targets, for methods that score weights before training; the
            same on all ranks.
        loss: of outputs and targets, for the same methods.
        params: names of the parameters to prune, where not all prunable ones are meant.
        state: what `state_dict` returned, where model and optimizer are restored already, as by a
            framework that continues a training; no weight is masked then.

    Raises:
        ValueError: for a name that is not a parameter, a parameter the optimizer does not have, or
            a method that needs ``batches`` or ``loss`` and gets none, or a state of another.

    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        method: Method,
        *,
        seed: int = 0,
        batches: Iterable[tuple[Tensor, Tensor]] | None = None,
        loss: Loss | None = None,
        params: Sequence[str] | None = None,
        state: dict[str, Any] | None = None,
    ) -> None:
        self.method = method
        self.model, self.optimizer = unwrapped(model), inmost(optimizer)
        self.parameters = prunable(model, params)
        check_optimizer(self.optimizer, self.parameters)
        check_floor(method, [p.numel() for p in self.parameters.values()])
        self.seed = seed
        self.steps = 0
        self._waiting: int | None = None
        self._last = 0
        self._gradients: list[Tensor] = []
        self._emptied: set[str] = set()
        beginning = Beginning(
            [tuple(p.shape) for p in self.parameters.values()],
            method.keep(0, self.total),
            stream(seed, "initial-mask"),
            self.model,
            self.parameters,
            batches,
            loss,
        )
        self.masks = {
            name: like(torch.from_numpy(mask), p)
            for (name, p), mask in zip(
                self.parameters.items(), method.recipe.initial(beginning), strict=True
            )
        }
        self._factors = Factors(list(self.masks.values()))
        soft, own = method.recipe.soft, list(self.parameters.values())
        self._dense = None if soft is None else DenseCopy(own, self.optimizer, soft)
        self._rewinding = None if method.recipe.rounds is None else Rewinding(model, self.optimizer)
        if state is not None:
            self.load_state_dict(state)
        else:
            self.apply()
            if method.recipe.begin is not None:
                self._write(method.recipe.begin(self._seen(0, None)))
                self.apply()
        self._warn_of_emptied()

    @property
    def total(self) -> int:
        """N, the number of prunable weights."""
        return sum(p.numel() for p in self.parameters.values())

    @property
    def sparsity(self) -> float:
        """The share of prunable weights that the masks remove now."""
        return 1 - sum(layer.kept for layer in self.layers()) / self.total

    @property
    def leak(self) -> float | None:
        """The share of a pruned weight that the model sees; None where masking is hard."""
        if self._dense is None:
            return None
        return float(self._dense.soft.leak(self.method.window(self._last)))

    @property
    def factors(self) -> list[Tensor]:
        """What weights and buffers are multiplied by: the masks as numbers, as far as made."""
        return self._factors.tensors

    @property
    def settled(self) -> bool:
        """Whether the masks stay as they are, as no update is to come."""
        return self._waiting is None and self.steps >= self.method.last_update

    @property
    def closed(self) -> bool:
        """Whether no weight that is pruned now can come back or be seen by the model."""
        return self._dense is None and (self.settled or not grows(self.method.recipe.rule))

    def layers(self) -> list[Layer]:
        """Return the prunable tensors in layer order."""
        kept = torch.stack([mask.count_nonzero() for mask in self.masks.values()]).tolist()
        return [
            Layer(name, tuple(mask.shape), count, mask.numel())
            for (name, mask), count in zip(self.masks.items(), kept, strict=True)
        ]

    def step(self, *, masked: bool = False) -> int | None:
        """Mask weights and momentum after an optimizer step, and update the masks where due.

        Returns the number of the mask update that was made, or None. An update that meets a
        gradient that is not finite waits for the next good step.

        ``masked`` says that `apply` has been called since the optimizer's step.

        Raises RuntimeError while the pruner is attached, as the step would count twice.
        """
        self._check_detached()
        return self._step(masked)

    def _step(self, masked: bool = False) -> int | None:
        self.steps += 1
        if self.steps == self.method.timing.steps + 1:
            warnings.warn(
                f"{self.method.name}: training goes on after the {self.steps - 1} steps that it "
                "was made for; steps are those of the optimizer in the whole training, not epochs",
                RuntimeWarning,
                stacklevel=3,
            )
        if self._dense is not None:
            self._dense.take()
        elif not masked:
            self.apply()
        due = self.method.update_at(self.steps)
        if due is not None:
            self._waiting = due
        gradient = self._gradient()
        made = None if self._waiting is None else self._update(self._waiting, gradient)
        if self._dense is not None:
            self.apply()
        if self._rewinding is not None and self.steps == self.method.timing.begin:
            self._rewinding.keep()
        return made

    def attach(self) -> RemovableHandle:
        """Step by itself after every ``optimizer.step()``, for loops that are not yours.

        A step that a gradient scaler skips is not counted. Returns a handle whose ``remove()``
        detaches the pruner.

        Raises RuntimeError where it is attached already.
        """
        self._check_detached()
        return self.optimizer.register_step_post_hook(self._after)

    def _check_detached(self) -> None:
        # Asks the optimizer, as a copy of it loses its hooks and a handle may be gone.
        if self._after in self.optimizer._optimizer_step_post_hooks.values():
            raise RuntimeError(
                "the pruner is attached and steps by itself: leave pruner.step() out, "
                "or call remove() on the handle that attach() returned"
            )

    def _after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        # A fused optimizer is called by the gradient scaler even for a step to skip.
        if not getattr(optimizer, "found_inf", False):
            self._step()
        elif self._dense is not None:
            self._dense.take()
            self.apply()

    def apply(self) -> None:
        """Zero weights and optimizer buffers off the masks, in place.

        Where masking is soft, give the model the masked weights and leave the buffers alone.
        """
        if self._dense is None or self.leak is None:
            self._keep(self._factors)
        else:
            self._dense.take()
            self._dense.show(list(self.masks.values()), self.leak)

    def state_dict(self) -> dict[str, Any]:
        """Return what resuming needs."""
        return {
            "method": self._identity,
            "seed": self.seed,
            "steps": self.steps,
            "waiting": self._waiting,
            "masks": dict(self.masks),
            "last": self._last,
            "gradients": self._gradients,
            "dense": None if self._dense is None else self._dense.values,
            "rewind": None if self._rewinding is None else self._rewinding.kept,
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
        self._last = state.get("last", 0)
        if self._rewinding is not None:
            self._rewinding.kept = state["rewind"]
        self._load_dense(state.get("dense"))

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
        ends = (0.0, 1.0) if gradient is None else extremes(gradient)
        if not all(isfinite(end) for end in ends):
            return None
        if ends == (0.0, 0.0):
            warnings.warn(
                "all gradients are zero at a mask update; call pruner.step() before zero_grad()",
                RuntimeWarning,
                stacklevel=4,
            )
        rule = self.method.recipe.rule
        assert rule is not None  # update_at is None without a rule
        self._write(rule(self._seen(update, gradient)))
        self._waiting, self._last = None, update
        self._gradients = []
        if self._dense is not None and self._ends(update):
            self._harden()
        if self._rewinding is not None:
            self._rewinding.restore()
            self.apply()
        self._warn_of_emptied()
        return update

    def _seen(self, update: int, gradient: Tensor | None) -> Update:
        """Return what the rule of an update sees."""
        own = self.parameters.values()
        mask = flat(self.masks.values())
        return Update(
            weight=flat(own if self._dense is None else self._dense.values),
            dense_gradient=gradient,
            mask=mask,
            survived=mask,
            sizes=tuple(p.numel() for p in own),
            keep=self.method.keep(update, self.total),
            window=self.method.window(update),
            training=Fraction(self.steps, self.method.timing.steps),
            random=stream(self.seed, "update", update),
            shapes=tuple(tuple(p.shape) for p in own),
            lr=float(self.optimizer.param_groups[0]["lr"]),
            seed=self.seed,
        )

    @torch.no_grad()
    def _write(self, after: Update) -> None:
        """Take over the masks of a rule, its weights, and what it leaves of the buffers."""
        sizes = list(after.sizes)
        own = self.parameters.values()
        for mask, new in zip(self.masks.values(), after.mask.split_with_sizes(sizes), strict=True):
            mask.copy_(new.view(mask.shape))
        self._factors.follow()
        values = own if self._dense is None else self._dense.values
        for value, new in zip(values, after.weight.split_with_sizes(sizes), strict=True):
            value.copy_(new.view(value.shape))
        if self._dense is None:
            survived = zip(after.survived.split_with_sizes(sizes), own, strict=True)
            self._keep(Factors([like(new, p) for new, p in survived]), buffers_only=True)

    def _ends(self, update: int) -> bool:
        """Whether an update is the last one, after which masks and masking stay."""
        return self.method.recipe.until is None and update >= self.method.timing.updates

    def _harden(self) -> None:
        """Give the soft masking up: zero off the masks from now on."""
        assert self._dense is not None
        self._dense.show(list(self.masks.values()), 0.0)
        self._dense.close()
        self._dense = None
        self.apply()

    def _load_dense(self, values: list[Tensor] | None) -> None:
        """Take over the full weights of a state, or None where its masking is hard."""
        if self._dense is not None:
            self._dense.close()
            self._dense = None
        if values is None:
            return
        soft = self.method.recipe.soft
        assert soft is not None  # the state is of the same method
        self._dense = DenseCopy(list(self.parameters.values()), self.optimizer, soft)
        torch._foreach_copy_(self._dense.values, values)
        self.apply()

    def _warn_of_emptied(self) -> None:
        emptied = {layer.name for layer in self.layers() if not layer.kept}
        if new := emptied - self._emptied:
            warnings.warn(
                f"{self.method.name}: no weight is left in {', '.join(sorted(new))} after step "
                f"{self.steps}; a floor or scope: layer keeps some in every layer, where the "
                "method has one",
                RuntimeWarning,
                stacklevel=4,
            )
        self._emptied = emptied

    def _gradient(self) -> Tensor | None:
        """Return the gradient for an update at this step: the last one, or a mean of the last."""
        steps = self.method.recipe.gradient_steps
        if self._waiting is None and not self.method.update_within(self.steps, steps):
            return None
        own = self.parameters.values()
        gradients = [p.grad.to_dense() for p in own if p.grad is not None]
        if len(gradients) < len(self.parameters):
            return None
        last = flat(gradients)
        if steps == 1 or not all(isfinite(end) for end in extremes(last)):
            return last
        self._gradients = [*self._gradients, last][-steps:]
        return torch.stack(self._gradients).mean(0)

    def _keep(self, factors: Factors, *, buffers_only: bool = False) -> None:
        tensors: list[tuple[int, Tensor]] = []
        for number, parameter in enumerate(self.parameters.values()):
            buffers = self.optimizer.state.get(parameter, {}).values()
            own = () if buffers_only else (parameter.data,)
            tensors += [
                (number, tensor)
                for tensor in (*own, *buffers)
                if isinstance(tensor, Tensor) and tensor.shape == parameter.shape
            ]
        factors.zero(tensors)
