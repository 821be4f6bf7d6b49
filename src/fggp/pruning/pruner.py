"""The pruner: owns the masks and the step count of one model in training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from operator import index
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fggp.foundation.random_streams import stream
from fggp.pruning.arguments import ReadOnlyMasks, check_arguments, check_options
from fggp.pruning.attachment import Attachment
from fggp.pruning.dense_layers import DenseLayers
from fggp.pruning.filters.rules import filters_for
from fggp.pruning.forward_pass import ForwardPass
from fggp.pruning.initial_masks import Beginning, everything
from fggp.pruning.mask_update import Loss, Read, Update
from fggp.pruning.masking import Masking
from fggp.pruning.model_counts import Found, compared, counted, structure
from fggp.pruning.optimizers import Nest
from fggp.pruning.parameters import Layer, check_floor, unwrapped
from fggp.pruning.progress import Handle, below_target, listed, metrics
from fggp.pruning.prunable import check_in_place, check_present, warn_of_left_out
from fggp.pruning.rewinding import Rewinding
from fggp.pruning.rules import grows
from fggp.pruning.saved_state import check_same, check_total, described, extended
from fggp.pruning.timing import Method
from fggp.pruning.warning import warn


class Pruner:
    """Prunes a model while any loop trains it.

    Call `step` after ``optimizer.step()`` and before ``optimizer.zero_grad()``. After every step,
    the weights off the mask and their entries in the optimizer's buffers are zeroed in place. The
    model stays an ordinary module with unchanged state_dict keys and dense gradients. With soft
    masking, the model contains the masked weights, and the pruner keeps the full ones.

    A warning, issued once, reports a difference between the masks and the model. Another reports a
    training that ends, is saved at its end, or is detached before its last update, below the target
    sparsity. A checkpoint in the middle of a training does not count as its end.

    Args:
        model: the network. Weights of convolutions, linear, recurrent and attention layers and
            embeddings are prunable, and so are other parameters that are matrices. Parameters of
            normalization, scales, tokens and positions are not. Frozen parameters are left out.
            `left_out` lists the other parameters. With DistributedDataParallel, gradients are
            averaged before the pruner sees them, so that equal seeds give equal masks on all ranks.
        optimizer: the optimizer that trains it.
        method: the method, which defines what to prune and when.
        seed: seed of the initial mask and of random growth; the same on all ranks.
        batches: pairs of inputs and targets, for methods that score weights before training; the
            same on all ranks.
        loss: function of outputs and targets, for the same methods.
        params: names of the parameters to prune; None for all prunable ones.
        dense: names of prunable parameters that are never pruned. Their weights count as kept and
            stay in the base of the sparsity, so that a sparsity keeps as many weights as without
            them.
        state: the result of `state_dict`, if model and optimizer have already been restored, for
            example by a framework that continues a training; no weight is masked then, and none is
            scored.
        extend: whether ``state`` is of a shorter training that is continued. Updates are made at
            the steps planned there; after the last one the masks stay unchanged. ``method`` is the
            same method with the steps of the longer training.

    Raises:
        ValueError: for a name that is not a parameter, a weight that cannot be pruned correctly (of
            a lazy or parametrized layer, under `torch.nn.utils.prune`, complex, quantized or cut
            into pieces), a parameter that the optimizer does not train, a method that needs
            ``batches`` or ``loss`` and gets none, or a state of another method.
        TypeError: for an argument of the wrong type.

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
        extend: bool = False,
    ) -> None:
        check_arguments(model, optimizer, method)
        check_options(seed, batches, loss)
        seed = index(seed)  # an int, which torch.load reads by default
        method, self._end = extended(method, state) if extend else (method, method.timing.steps)
        self.method = method
        self._nest = Nest(optimizer)
        self.model, self.optimizer = unwrapped(model), self._nest.inmost
        self._dense = DenseLayers(model, params, dense)
        self._by_default, self._structure = params is None, structure(self.model)
        check_present(self._dense.base)
        self.parameters = own = self._dense.pruned
        self._nest.check(own, soft=method.recipe.soft is not None)
        keep_at_last = self._dense.keep(method, method.timing.updates)
        check_floor(method, [p.numel() for p in own.values()], keep_at_last)
        self.seed, self.steps = seed, 0
        self._waiting: int | None = None
        self._last = 0
        shapes, keep = [tuple(p.shape) for p in own.values()], self._dense.keep(method, 0)
        beginning = Beginning(
            shapes, keep, stream(seed, "initial-mask"), self.model, self.parameters, batches, loss
        )
        self._forward = ForwardPass(own, self._nest)
        # The masks of a state replace the initial ones, which may need data, and an unpruned model.
        initial = (method.recipe.initial if state is None else everything)(beginning)
        soft = method.recipe.soft
        # Its hooks run before those of soft masking, which puts other weights into the model.
        self._attachment = Attachment(self._nest, self._forward, self)
        self._masking = Masking(own, self._nest, soft, initial)
        self._filters = filters_for(method.recipe.rule, self.model, own, batches)
        self._rewinding = (
            None if method.recipe.rounds is None else Rewinding(self.model, self._nest)
        )
        if state is not None:
            self.load_state_dict(state)
        else:
            self.apply()
            if method.recipe.begin is not None:
                self._masking.write(method.recipe.begin(self._seen(0, None)))
                self.apply()
        self._warn_of_emptied()
        warn_of_left_out(self._dense.base, self.model, self.left_out)

    @property
    def masks(self) -> dict[str, Tensor]:
        """The boolean masks by parameter name; True where a weight is kept."""
        return ReadOnlyMasks(self._dense.with_masks(self._masking.masks.by_name))

    @property
    def total(self) -> int:
        """N, the number of prunable weights, those of dense layers included."""
        return self._dense.total

    @property
    def left_out(self) -> dict[str, str]:
        """Why a parameter of two or more dimensions is not prunable, by name."""
        return dict(self._dense.left_out)

    @property
    def sparsity(self) -> float:
        """The share of the prunable weights that are pruned in the model now; see `layers`."""
        layers = self.layers()
        return 1 - sum(layer.kept for layer in layers) / max(1, sum(x.total for x in layers))

    @property
    def leak(self) -> float | None:
        """The share of a pruned weight that the model sees; None if masking is hard."""
        return self._masking.leak(self.method.window(self._last))

    @property
    def integer_masks(self) -> list[Tensor]:
        """The masks as integers, which select weights and buffers; created when needed."""
        return self._masking.masks.integers

    @property
    def settled(self) -> bool:
        """Whether the masks are final, as no update is left."""
        return self._waiting is None and self.steps >= self.method.last_update

    @property
    def closed(self) -> bool:
        """Whether no weight that is pruned now can come back or be seen by the model."""
        return not self._masking.soft and (self.settled or not grows(self.method.recipe.rule))

    def layers(self, of: Literal["model", "masks"] = "model") -> list[Layer]:
        """Return the prunable tensors in layer order, with their counts.

        Counts of the model are of its current tensors. If all pruned weights of a layer are zero,
        the layer is counted by its mask, including a kept weight that happens to be zero;
        otherwise by its nonzero weights. With soft masking through which pruned weights leak
        (`leak`), the model contains a share of them, and the mask counts. Layers that became
        prunable after the pruner was made are included. The call makes one pass over the weights,
        and on a GPU the host waits.

        Args:
            of: "masks" for the counts of the masks, which are known without reading the model.

        Warns:
            RuntimeWarning: if the model differs from the masks.

        """
        planned = self._dense.with_layers(self._masking.masks.layers())
        if of == "masks":
            return planned
        found = self._compared()
        counts = counted(found, planned, self.masks, leaking=bool(self.leak))
        self._warn_of(found)
        return counts

    def metrics(self, *, per_layer: bool = False) -> dict[str, float]:
        """Return metrics for a logger, by name.

        These are the sparsity, counted in the model, and its target; the numbers of kept and of all
        weights; the step and the steps of the training; the share of a pruned weight that leaks
        through; the last mask update and the last planned one.

        Args:
            per_layer: whether to add the sparsity of each layer, as ``sparsity/NAME``.

        """
        planned = self.method.last_number
        progress = (self.steps, self._end), (self._last, planned)
        layers, target = self.layers(), float(self.method.sparsity)
        return metrics(layers, target, *progress, self.leak, per_layer=per_layer)

    def step(self, *, masked: bool = False) -> int | None:
        """Mask weights and momentum after an optimizer step, and update the masks if due.

        Returns the number of the mask update that was made, or None. An update whose gradient is
        not finite waits for the next step with a finite one.

        ``masked`` states that `apply` has been called since the optimizer's step.

        Raises RuntimeError while the pruner is attached, as the step would count twice.
        """
        self._attachment.check_detached()
        self._attachment.called(replayed=masked)
        return self._step(masked)

    def _step(self, masked: bool = False) -> int | None:
        check_in_place(self.parameters, self._masking.masks.by_name)
        self.steps += 1
        if self.steps == self._end + 1:
            warn(
                f"{self.method.name}: training continues after the {self.steps - 1} steps that it "
                "was made for; steps are those of the optimizer in the whole training, not epochs"
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
        if self.steps == self._end:
            self._warn_if_below("training ends")
        return made

    def _needed(self) -> frozenset[Read]:
        return self.method.reads_at(self.steps + 1, self._waiting)

    def copy_weights(self) -> None:
        """Copy the weights before a step, if the update after that step reads them.

        Only for a step that calls no hooks, such as one replayed from a CUDA graph.
        """
        self._forward.copy_weights(self._needed())

    def attach(self) -> RemovableHandle:
        """Step automatically after every ``optimizer.step()``, for loops that you cannot edit.

        A step of an optimizer that wraps others, such as Lookahead or SAM, is one step, at its end.
        A step that a gradient scaler skips is not counted. Returns a handle whose ``remove()``
        detaches the pruner. A copy of an attached pruner is not attached.

        Raises RuntimeError if the pruner is attached already.
        """
        return Handle(self._attachment.attach(), self._detached)

    def _detached(self) -> None:
        self._warn_of(self._compared())
        if self.steps < self.method.last_update:
            self._warn_if_below("the pruner is detached")

    def _skip(self) -> None:
        self._forward.clear()
        self.apply()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_structure": []}  # it contains the identities of parameters

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._attachment.bind(self)  # as in a new pruner, its hooks run before those of masking
        self._masking.bind()

    def apply(self) -> None:
        """Zero weights and optimizer buffers off the masks, in place.

        With soft masking, give the model the masked weights and leave the buffers unchanged.
        """
        self._masking.apply(self.leak)

    def state_dict(self) -> dict[str, Any]:
        """Return the state needed to resume.

        Warns:
            RuntimeWarning: if the parameters of the model differ from those that are pruned, if
                the model was trained without the pruner, and at the end of a training below the
                target sparsity.

        """
        self._attachment.check_seen()
        self._warn_of(self._compared())
        if self.steps >= self._end:
            self._warn_if_below("a training is saved at its end")
        return {
            "method": self.method.identity,
            "settings": described(self.method),
            "end": self._end,
            "total": self.total,
            "seed": self.seed,
            "steps": self.steps,
            "waiting": self._waiting,
            "masks": dict(self._masking.masks.by_name),
            "last": self._last,
            "gradients": self._forward.earlier,
            "unused": self._forward.state,
            "dense": self._masking.full,
            "frozen": self._masking.frozen,
            "rewind": None if self._rewinding is None else self._rewinding.kept,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the result of `state_dict`.

        Raises ValueError, changing nothing, if the method, its settings, its timing or the layers
        differ. To continue with more steps, make a pruner with ``extend=True``.
        """
        check_same(state, self.method)
        self._masking.masks.check(state["masks"])
        check_total(state, self.total)
        self._end = max(self._end, index(state.get("end", 0)))
        self.seed, self.steps = index(state["seed"]), state["steps"]
        self._waiting = state["waiting"]
        self._forward.load(state["gradients"], state.get("unused"))
        self._attachment.restart()
        self._masking.masks.load(state["masks"])
        self._last = state.get("last", 0)
        if self._rewinding is not None:
            self._rewinding.load(state["rewind"])
        self._masking.load(state.get("dense"), state.get("frozen"))
        if self._masking.soft:
            self.apply()

    def __str__(self) -> str:
        self._attachment.check_seen()
        progress = f"after step {self.steps} of {self._end}"
        leak = self.leak
        if leak:
            progress += f", while {leak:.4g} of each pruned weight leaks through"
        target = float(self.method.sparsity)
        return listed(self.method.name, self.layers(), target, progress, self.left_out)

    def __repr__(self) -> str:
        return (
            f"<Pruner: {self.method.name} to sparsity {float(self.method.sparsity):.6g}, step "
            f"{self.steps} of {self._end}, {len(self.parameters)} layers of {self.total} weights>"
        )

    def _compared(self) -> Found:
        return compared(self.model, self._dense.base, by_default=self._by_default)

    def _warn_of(self, found: Found) -> None:
        for complaint in found.complaints():
            warn(f"{self.method.name}: {complaint}")

    def _warn_if_below(self, when: str) -> None:
        if below_target(self.method, self._last, self.total, self.leak):
            warn(
                f"{self.method.name}: {when} below the target sparsity of "
                f"{float(self.method.sparsity):.6g}, after step {self.steps} of {self._end}: mask "
                "updates are missing; continue until then, or make the method with fewer steps"
            )

    def _update(self, update: int, gradient: Tensor | None) -> int | None:
        due = self.method.update_at(self.steps) is not None
        if self._forward.waits(due) or not self._forward.usable(gradient, self.method):
            return None
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
        # Some methods update in every step, and a comparison takes milliseconds.
        if (now := structure(self.model)) != self._structure:
            self._structure = now
            self._warn_of(self._compared())
        return update

    def _seen(self, update: int, gradient: Tensor | None) -> Update:
        """Return the input of an update's rule."""
        mask, own = self._masking.masks.flat, list(self.parameters.values())
        lr_of = self._nest.learning_rates()
        lrs = tuple(map(lr_of, own))
        return Update(
            weight=self._masking.flat_weights,
            dense_gradient=gradient,
            mask=mask,
            survived=mask,
            sizes=tuple(p.numel() for p in own),
            keep=self._dense.keep(self.method, update),
            window=self.method.window(update),
            training=Fraction(self.steps, self.method.timing.steps),
            random=stream(self.seed, "update", update),
            shapes=tuple(tuple(p.shape) for p in own),
            lr=lrs[0],
            seed=self.seed,
            weight_before=self._forward.weight,
            filters=self._filters,
            round_start=None if self._rewinding is None else self._rewinding.flat(own),
            lrs=lrs,
            lr_of=lr_of,
        )

    def _warn_of_emptied(self) -> None:
        if emptied := self._masking.masks.newly_emptied():
            warn(
                f"{self.method.name}: no weight is left in {', '.join(emptied)} after step "
                f"{self.steps}; a floor or scope: layer keeps some in every layer, where the "
                "method has one, and params= names the layers to prune"
            )
