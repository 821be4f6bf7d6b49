"""The input of a mask update, and the scores computed from it.

All vectors are flat over the prunable tensors in layer order (logical contiguous index inside a
layer), so neither a rule nor a score ever sees the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from fggp.foundation.exact import largest_remainder

if TYPE_CHECKING:
    from torch import Tensor

    from fggp.pruning.filters.masks import FilterMasks


@dataclass(frozen=True)
class Update:
    """The input and output of a rule.

    Attributes:
        weight: (N,) weights after the optimizer step; zero off the mask, unless masking is soft.
        dense_gradient: (N,) gradient of that step before any masking, or None if it was cleared.
        mask: (N,) bool, the active weights.
        survived: (N,) bool, active without a break since the update began. An active weight that
            has not survived starts again from zero, with zero momentum.
        sizes: weights per layer, in layer order.
        keep: K, the scheduled number of weights to keep.
        window: progress through the pruning window, from 0 to 1.
        training: progress through the whole training, from 0 to 1.
        random: the random stream of this update.
        shapes: shapes of the layers, in layer order; empty if the rule was given none.
        lr: learning rate of the preceding step, for the first layer.
        seed: seed of the training, for draws that stay the same from update to update.
        reserved: (N,) bool, places that are already assigned; None if there are none.
        weight_before: (N,) weights of the forward pass at which the gradient was computed, before
            the optimizer's step; None if they were not copied. Read it as `forward_weight`.
        filters: filters of the network, for a rule that prunes whole ones; None for all others.
        round_start: (N,) weights from which a round of several trainings starts, before its mask;
            None for methods that train once. Read it as `origin`.
        lrs: learning rate of each layer, in layer order; empty if all have ``lr``.
        lr_of: function from a parameter of the network to its learning rate; None if all have
            ``lr``.

    """

    weight: Tensor
    dense_gradient: Tensor | None
    mask: Tensor
    survived: Tensor
    sizes: tuple[int, ...]
    keep: int
    window: Fraction
    training: Fraction
    random: np.random.Generator
    shapes: tuple[tuple[int, ...], ...] = ()
    lr: float = 0.0
    seed: int = 0
    reserved: Tensor | None = None
    weight_before: Tensor | None = None
    filters: FilterMasks | None = None
    round_start: Tensor | None = None
    lrs: tuple[float, ...] = ()
    lr_of: Callable[[Tensor], float] | None = None

    @property
    def lr_of_weights(self) -> float | Tensor:
        """The learning rate of all weights, or (N,) that of each if layers have different ones."""
        if len(set(self.lrs)) <= 1:
            return self.lr
        import torch

        layers = zip(self.lrs, self.by_layer(self.weight), strict=True)
        return torch.cat([torch.full_like(weight, lr) for lr, weight in layers])

    @property
    def origin(self) -> Tensor:
        """(N,) weights that the present round started from; raises RuntimeError without rounds."""
        if self.round_start is None:
            raise RuntimeError("a rule compares with the start of a round, and there are no rounds")
        return self.round_start

    @property
    def forward_weight(self) -> Tensor:
        """(N,) weights at which the gradient was computed; ``weight`` if they were not copied."""
        return self.weight if self.weight_before is None else self.weight_before

    @property
    def open(self) -> Tensor:
        """(N,) bool, the places that are not yet assigned, active or not."""
        return self.mask.new_ones(self.mask.shape) if self.reserved is None else ~self.reserved

    @property
    def gradient(self) -> Tensor:
        """The dense gradient; raises RuntimeError, with the fix, if it was cleared."""
        if self.dense_gradient is None:
            raise RuntimeError(
                "a prunable parameter has no .grad at a mask update: "
                "call pruner.step() after optimizer.step() and before optimizer.zero_grad(), "
                "and use params= to exclude parameters that the loss does not use"
            )
        return self.dense_gradient

    def to(self, mask: Tensor) -> Update:
        """Return the update with ``mask``; weights outside it are zeroed at once."""
        from fggp.pruning.integer_masks import zeroed

        survived = self.survived & mask
        return replace(self, mask=mask, survived=survived, weight=zeroed(self.weight, survived))

    def by_layer(self, vector: Tensor) -> list[Tensor]:
        """Cut a flat vector into its layers, as views."""
        return list(vector.split_with_sizes(list(self.sizes)))

    def layers(self) -> list[Update]:
        """Return one update per layer, with K shared by active counts and largest remainders."""
        active = [int(mask.count_nonzero()) for mask in self.by_layer(self.mask)]
        shares = [Fraction(self.keep * count, max(1, sum(active))) for count in active]
        keeps = largest_remainder(shares, self.keep)

        def cut(vector: Tensor | None) -> list[Tensor] | list[None]:
            return [None] * len(self.sizes) if vector is None else self.by_layer(vector)

        return [
            replace(self, **parts)
            for parts in _records(
                weight=cut(self.weight),
                dense_gradient=cut(self.dense_gradient),
                mask=cut(self.mask),
                survived=cut(self.survived),
                reserved=cut(self.reserved),
                weight_before=cut(self.weight_before),
                round_start=cut(self.round_start),
                sizes=[(size,) for size in self.sizes],
                shapes=[self.shapes[i : i + 1] for i in range(len(self.sizes))],
                lr=self.lrs or [self.lr for _ in self.sizes],
                lrs=[() for _ in self.sizes],
                keep=keeps,
            )
        ]


def _records(**columns: Any) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


Score = Callable[[Update], "Tensor"]
Selection = Callable[[Update], "Tensor"]


Read = Literal["gradient", "forward_weight"]
BOTH: frozenset[Read] = frozenset({"gradient", "forward_weight"})
"""The tensors that an optimizer's step overwrites, so the pruner copies them before the step."""

Function = TypeVar("Function", bound=Callable[..., Any])


def reads(*names: Read) -> Callable[[Function], Function]:
    """Declare which of `BOTH` a function reads from an `Update`; by default it may read both.

    A class declares the same by an attribute or a property ``reads``. A dataclass without one
    reads the tensors that its fields read.
    """

    def declare(function: Function) -> Function:
        function.reads = frozenset(names)  # type: ignore[attr-defined]
        return function

    return declare


def read_by(part: object) -> frozenset[Read]:
    """Return which of `BOTH` a rule, a selection or a score reads; see `reads`."""
    declared: frozenset[Read] | None = getattr(part, "reads", None)
    if declared is not None:
        return declared
    if isinstance(part, tuple):
        return frozenset().union(*map(read_by, part))
    if is_dataclass(part) and not isinstance(part, type):
        return frozenset().union(*map(read_by, vars(part).values()))
    return BOTH if callable(part) else frozenset()


Weights = Literal["forward", "stepped"]
"""The weights that a score reads: of the forward pass, as the gradient does, or after the step."""


@reads()
def magnitude(update: Update) -> Tensor:
    """Score by |w| after the optimizer's step."""
    return update.weight.abs()


@reads()
def value(update: Update) -> Tensor:
    """Score by w itself after the optimizer's step, if it is a score (`Soft.margin`)."""
    return update.weight


@reads("forward_weight")
def forward_magnitude(update: Update) -> Tensor:
    """Score by |w| of the forward pass: |w| and |g| then belong to the same point."""
    return update.forward_weight.abs()


def magnitude_at(weights: Weights) -> Score:
    """Return the score by |w| of the forward pass, or after the optimizer's step."""
    return forward_magnitude if weights == "forward" else magnitude


@reads("gradient")
def gradient(update: Update) -> Tensor:
    """Score by |g|."""
    return update.gradient.abs()


@dataclass(frozen=True)
class Blend:
    """Score by |w| + λ·|g|; at λ = 0 no gradient is needed.

    Attributes:
        weight: λ.

    """

    weight: Fraction

    @property
    def reads(self) -> frozenset[Read]:
        """The gradient, unless λ is 0."""
        return read_by(gradient) if self.weight else frozenset()

    def __call__(self, update: Update) -> Tensor:
        """Return the (N,) scores."""
        if not self.weight:
            return magnitude(update)
        return magnitude(update) + float(self.weight) * gradient(update)


@reads()
def random_score(update: Update) -> Tensor:
    """Score at random, drawn on the CPU so that a seed gives the same scores on every device."""
    import torch

    # In 32 bits also for weights in 16, where many scores would be equal, and the later ones win.
    drawn = update.random.random(len(update.weight), dtype=np.float32)
    return torch.from_numpy(drawn).to(update.weight.device)


Loss = Callable[["Tensor", "Tensor"], "Tensor"]
