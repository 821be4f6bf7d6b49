"""The parts of which a method is composed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from fggp.pruning.initial_masks import ERK, InitialMask
from fggp.pruning.rules import Rule
from fggp.pruning.schedules import Constant, Schedule, held

NEVER = Constant(Fraction(0))
LEAST_SHARE = Fraction(1, 100)
"""The least share of the remaining weights to remove per round; 98 % then takes 391 trainings."""


@dataclass(frozen=True)
class Soft:
    """Soft masking: the optimizer trains all weights, the forward pass sees the masked ones.

    If updates end with the pruning window, masking is hard from then on.

    Attributes:
        leak: the share of a pruned weight that the forward pass sees, over the window.
        straight: whether a pruned weight gets the unchanged gradient of its masked value (the
            straight-through estimator); otherwise it gets the share ``leak`` of it, by the chain
            rule.
        pull: factor by which the value of a pruned weight is added to its gradient.
        margin: if the weights are frozen and the optimizer trains a score for each instead, the
            amount by which the scores of pruned weights begin below the 1 of kept ones; None if
            weights are trained.

    """

    leak: Schedule = NEVER
    straight: bool = True
    pull: Fraction = Fraction(0)
    margin: Fraction | None = None


@dataclass(frozen=True)
class Rounds:
    """Several consecutive trainings, each after the first from a rewound network.

    Attributes:
        share: the largest share of the remaining weights that one round removes.
        rewind: the share of a training after which its state is kept; later trainings start there.

    """

    share: Fraction
    rewind: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share: {self.share} is not possible; set it between 0 and 1")
        if self.share < LEAST_SHARE:
            raise ValueError(
                f"share: {float(self.share):.3g} would take more trainings than is worthwhile; the "
                f"nearest valid is {LEAST_SHARE}"
            )
        if self.rewind == 1:
            raise ValueError("rewind: 1 leaves nothing to train; the nearest valid is below 1")

    def number(self, sparsity: Fraction) -> int:
        """Return the number of trainings that a target sparsity takes, including the dense one."""
        left, number = Fraction(1), 1
        while left > 1 - sparsity:
            left, number = left * (1 - self.share), number + 1
        return number


@dataclass(frozen=True)
class Recipe:
    """The parts of a method, with its settings filled in.

    Attributes:
        initial: function that makes the initial mask at the initial sparsity.
        begin: rule that is applied once, before the first step.
        dense_start: whether a method with one start begins with all weights.
        sparsity: function that makes the schedule from the initial and the target sparsity.
        rule: one mask update; None if the initial mask is final.
        until: the share of the training after which updates end; they continue at the target count
            after the pruning window. None if they end with the window.
        every: only every n-th update of the timing is made.
        period: steps between two updates, if the method updates more often than the timing.
        soft: how weights survive off the mask; None if they do not.
        rounds: several consecutive trainings; None for one.
        fine_tune: if the method starts from the trained dense network of the same seed, the last
            share of the training that follows.
        scratch: whether only the masks are taken from that network, and the weights start from
            their initial values.
        narrow: whether the network is the narrower dense one of as many weights.
        gradient_steps: steps over which the signed gradient is averaged before an update.
        floor: least share of each layer that the rule keeps, for a check before training.

    """

    initial: InitialMask = ERK
    begin: Rule | None = None
    dense_start: bool = False
    sparsity: Callable[[Fraction, Fraction], Schedule] = held
    rule: Rule | None = None
    until: Fraction | None = None
    every: int = 1
    period: int | None = None
    soft: Soft | None = None
    rounds: Rounds | None = None
    fine_tune: Fraction | None = None
    scratch: bool = False
    narrow: bool = False
    gradient_steps: int = 1
    floor: Fraction = Fraction(0)
