"""The pruner: owns the masks and the step count of one model in training."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fggp.foundation.random_streams import stream
from fggp.pruning.attachment import Attachment
from fggp.pruning.dense_layers import DenseLayers
from fggp.pruning.filters.rules import filters_for
from fggp.pruning.forward_pass import ForwardPass, condition_of
from fggp.pruning.initial_masks import Beginning
from fggp.pruning.mask_update import Loss, Read, Update
from fggp.pruning.masking import Masking
from fggp.pruning.parameters import Layer, check_floor, check_optimizer, inmost, unwrapped
from fggp.pruning.rewinding import Rewinding
from fggp.pruning.rules import grows
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
        dense: names of prunable parameters that are never pruned. Their weights count as kept and
            stay in the base of the sparsity, so that it means as many weights as without them.
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
        dense: Sequence[str] = (),
        state: dict[str, Any] | None = None,
    ) -> None:
        self.method = method
        self.model, self.optimizer = unwrapped(model), inmost(optimizer)
        self._dense = DenseLayers(model, params, dense)
        self.parameters = own = self._dense.pruned
        check_optimizer(self.optimizer, own)
        keep_at_last = self._dense.keep(method, method.timing.updates)
        check_floor(method, [p.numel() for p in own.values()], keep_at_last)
        self.seed, self.steps = seed, 0
        self._waiting: int | None = None
        self._last = 0
        shapes, keep = (
            [tuple(p.shape) for p in self.parameters.values()],
            self._dense.keep(method, 0),
        )
        beginning = Beginning(
            shapes, keep, stream(seed, "initial-mask"), self.model, self.parameters, batches, loss
        )
        # Its hook runs before that of soft masking, which puts other weights into the model.
        self._forward = ForwardPass(list(own.values()), optimizer, self._needed)
        initial, soft = method.recipe.initial(beginning), method.recipe.soft
        self._masking = Masking(own, self.optimizer, soft, initial)
        self._filters = filters_for(method.recipe.rule, self.model, own, batches)
        self._attachment = Attachment(self.optimizer, self._step, self._skip)
        self._rewinding = None if method.recipe.rounds is None else Rewinding(model, self.optimizer)
        if state is not None:
            self.load_state_dict(state)
        else:
            self.apply()
            if method.recipe.begin is not None:
                self._masking.write(method.recipe.begin(self._seen(0, None)))
                self.apply()
        self._warn_of_emptied()

    @property
    def masks(self) -> dict[str, Tensor]:
        """The boolean masks by parameter name; True where a weight is kept."""
        return self._dense.with_masks(self._masking.masks.by_name)

    @property
    def total(self) -> int:
        """N, the number of prunable weights, those of dense layers included."""
        return self._dense.total

    @property
    def sparsity(self) -> float:
        """The share of prunable weights that the masks remove now."""
        return 1 - sum(layer.kept for layer in self.layers()) / self.total

    @property
    def leak(self) -> float | None:
        """The share of a pruned weight that the model sees; None where masking is hard."""
        return self._masking.leak(self.method.window(self._last))

    @property
    def float_masks(self) -> list[Tensor]:
        """The masks as numbers, which weights and buffers are multiplied by; made when needed."""
        return self._masking.masks.floats

    @property
    def settled(self) -> bool:
        """Whether the masks stay as they are, as no update is to come."""
        return self._waiting is None and self.steps >= self.method.last_update

    @property
    def closed(self) -> bool:
        """Whether no weight that is pruned now can come back or be seen by the model."""
        return not self._masking.soft and (self.settled or not grows(self.method.recipe.rule))

    def layers(self) -> list[Layer]:
        """Return the prunable tensors in layer order."""
        return self._dense.with_layers(self._masking.masks.layers())

    def step(self, *, masked: bool = False) -> int | None:
        """Mask weights and momentum after an optimizer step, and update the masks where due.

        Returns the number of the mask update that was made, or None. An update that meets a
        gradient that is not finite waits for the next good step.

        ``masked`` says that `apply` has been called since the optimizer's step.

        Raises RuntimeError while the pruner is attached, as the step would count twice.
        """
        self._attachment.check_detached()
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
        if self._masking.soft:
            self._masking.take()
        elif not masked:
            self.apply()
        self._waiting = self.method.update_at(self.steps) or self._waiting
        gradient, made = self._forward.gradient(self.method, self.steps, self._waiting), None
        if self._waiting is not None:
            made = self._update(self._waiting, gradient)
        self._forward.clear()
        if self._masking.soft:
            self.apply()
        if self._rewinding is not None and self.steps == self.method.timing.begin:
            self._rewinding.keep()
        return made

    def _needed(self) -> frozenset[Read]:
        return self.method.reads_at(self.steps + 1, self._waiting)

    def copy_weights(self) -> None:
        """Copy the weights for an update after the next step, if it reads those before it.

        An optimizer does this by itself. Call it before a step that calls no hooks, as one that is
        replayed from a CUDA graph.
        """
        self._forward.copy_weights()

    def attach(self) -> RemovableHandle:
        """Step by itself after every ``optimizer.step()``, for loops that are not yours.

        A step that a gradient scaler skips is not counted. Returns a handle whose ``remove()``
        detaches the pruner.

        Raises RuntimeError where it is attached already.
        """
        return self._attachment.attach()

    def _skip(self) -> None:
        self._forward.clear()
        self.apply()

    def apply(self) -> None:
        """Zero weights and optimizer buffers off the masks, in place.

        Where masking is soft, give the model the masked weights and leave the buffers alone.
        """
        self._masking.apply(self.leak)

    def state_dict(self) -> dict[str, Any]:
        """Return what resuming needs."""
        return {
            "method": self.method.identity,
            "seed": self.seed,
            "steps": self.steps,
            "waiting": self._waiting,
            "masks": dict(self._masking.masks.by_name),
            "last": self._last,
            "gradients": self._forward.earlier,
            "dense": self._masking.full,
            "rewind": None if self._rewinding is None else self._rewinding.kept,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`.

        Raises ValueError, changing nothing, where the method, its timing or the layers differ.
        """
        saved, own = state["method"], self.method.identity
        if saved != own:
            raise ValueError(f"the state is of {saved}, this pruner of {own}")
        self._masking.masks.check(state["masks"])
        self.seed, self.steps, self._waiting = state["seed"], state["steps"], state["waiting"]
        self._forward.load(state["gradients"])
        self._masking.masks.load(state["masks"])
        self._last = state.get("last", 0)
        if self._rewinding is not None:
            self._rewinding.kept = state["rewind"]
        self._masking.load(state.get("dense"))
        if self._masking.soft:
            self.apply()

    def __str__(self) -> str:
        rows = [f"{x.name:<40} {x.kept:>12,} / {x.total:>12,}" for x in self.layers()]
        target, steps = float(self.method.sparsity), self.method.timing.steps
        reached = f"sparsity {self.sparsity:.6f} of {target:.6g} after step {self.steps} of {steps}"
        return "\n".join([*rows, f"{self.method.name}: {reached}"])

    def _update(self, update: int, gradient: Tensor | None) -> int | None:
        condition = condition_of(gradient)
        if condition == "not finite":
            return None
        if condition == "zero":
            warnings.warn(
                "all gradients are zero at a mask update; call pruner.step() before zero_grad()",
                RuntimeWarning,
                stacklevel=4,
            )
        rule = self.method.recipe.rule
        assert rule is not None  # update_at is None without a rule
        self._masking.write(rule(self._seen(update, gradient)))
        self._waiting, self._last = None, update
        self._forward.earlier = []
        if self.method.recipe.until is None and update >= self.method.timing.updates:
            self._masking.harden()
        if self._rewinding is not None:
            self._rewinding.restore()
            self.apply()
        self._warn_of_emptied()
        return update

    def _seen(self, update: int, gradient: Tensor | None) -> Update:
        """Return what the rule of an update sees."""
        mask = self._masking.masks.flat
        return Update(
            weight=self._masking.flat_weights,
            dense_gradient=gradient,
            mask=mask,
            survived=mask,
            sizes=tuple(p.numel() for p in self.parameters.values()),
            keep=self._dense.keep(self.method, update),
            window=self.method.window(update),
            training=Fraction(self.steps, self.method.timing.steps),
            random=stream(self.seed, "update", update),
            shapes=tuple(tuple(p.shape) for p in self.parameters.values()),
            lr=float(self.optimizer.param_groups[0]["lr"]),
            seed=self.seed,
            weight_before=self._forward.weight,
            filters=self._filters,
        )

    def _warn_of_emptied(self) -> None:
        if emptied := self._masking.masks.newly_emptied():
            warnings.warn(
                f"{self.method.name}: no weight is left in {', '.join(emptied)} after step "
                f"{self.steps}; a floor or scope: layer keeps some in every layer, where the "
                "method has one",
                RuntimeWarning,
                stacklevel=4,
            )
