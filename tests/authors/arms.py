"""The arms of the authors' script: how their code is called for each, and our settings for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from math import cos, floor, pi
from typing import Any, NamedTuple

from their_code import Call
from torch import Tensor

from fggp.methods import find
from fggp.pruning.mask_update import Update
from fggp.pruning.rules import PruneTo
from fggp.pruning.selections import TwoStage

START, END = 0.5, 0.005
"""The annealed rate: GraNet's, from its first to its last value over the whole training."""


class Counts(NamedTuple):
    """The counts of their script at an update.

    Attributes:
        due: how many weights are to be pruned now.
        left: how many are not zero, the first convolution and the biases among them.
        progress: the share of the whole training, for what is annealed.

    """

    due: int
    left: int
    progress: float

    @property
    def rate(self) -> float:
        """The annealed rate."""
        return END + (START - END) * (1 + cos(pi * self.progress)) / 2


def counts(base: int, zeros: int, density: float, progress: float) -> Counts:
    """Return what their script counts.

    Args:
        base: weights and biases of all convolutions and linear layers, the first one too.
        zeros: the weights among them that are zero.
        density: the scheduled share of ``base`` that is left.
        progress: the share of the whole training.

    """
    return Counts(floor(base * (1 - density) - zeros), base - zeros, progress)


GRADIENT_FIRST, WEIGHT_FIRST = "Prune_WfromGrad_Add_Grad", "Prune_GradfromW_Add_Grad"


def _half(criterion: str, first: str, second: str) -> Callable[[Counts], Call]:
    """Call their code so that it takes half of what is left, and puts back what is not due."""

    def call(now: Counts) -> Call:
        half = int(now.left * 0.5)
        return Call(criterion, half, half - now.due, first, second)

    return call


def _more(
    criterion: str, first: str, second: str, rate: Callable[[Counts], float]
) -> Callable[[Counts], Call]:
    """Call their code so that it takes what is due and a share of what stays, and restores that."""

    def call(now: Counts) -> Call:
        restored = int((now.left - now.due) * rate(now))
        return Call(criterion, now.due + restored, restored, first, second)

    return call


@dataclass(frozen=True)
class Arm:
    """One arm.

    Attributes:
        label: as in the studies.
        words: what their script calls it.
        method: the method of ours.
        settings: its settings.
        call: how their code is called with these counts.

    """

    label: str
    words: str
    method: str
    settings: dict[str, Any]
    call: Callable[[Counts], Call]

    @property
    def with_stepped_weights(self) -> Arm:
        """The arm as it reads the weights after the optimizer's step."""
        return replace(self, settings=self.settings | {"weights": "stepped"})

    def ours(self, update: Update, restored: int | None = None) -> Tensor:
        """Return our mask (N,): under our pool, or where ``restored`` weights are put back."""
        rule = find(self.method).recipe(**self.settings).rule
        assert isinstance(rule, PruneTo)
        select = rule.select
        if restored is not None and isinstance(select, TwoStage):
            select = replace(select, pool=lambda rate, active, keep: restored)
        return PruneTo(select)(update).mask


_COSINE = {"schedule": "cosine", "start": START, "end": END, "over": "training"}

ARMS = (
    Arm("fggp", "proposed", "fggp", {}, _half(GRADIENT_FIRST, "gradient", "weight")),
    Arm(
        "fggp-magnitude-first",
        "modification 1: weight and gradient exchanged",
        "fggp",
        {"order": "magnitude-first"},
        _half(WEIGHT_FIRST, "weight", "gradient"),
    ),
    Arm(
        "fggp-annealed-kept",
        "modification 2: annealed, a share of what stays",
        "fggp",
        {"pool": "kept", "rate": _COSINE},
        _more(GRADIENT_FIRST, "gradient", "weight", lambda now: now.rate),
    ),
    Arm(
        "fggp-kept",
        "modification 3: fixed, a share of what stays",
        "fggp",
        {"pool": "kept", "rate": Fraction(1, 2)},
        _more(GRADIENT_FIRST, "gradient", "weight", lambda now: START),
    ),
    Arm(
        "global-exchange",
        "GraNet in their framework",
        "fggp",
        {"order": "magnitude-first", "pool": "kept", "rate": _COSINE},
        _more(WEIGHT_FIRST, "weight", "gradient", lambda now: now.rate),
    ),
    Arm(
        "product",
        "`|gradw|`",
        "combined",
        {"score": "product"},
        lambda now: Call(None, now.due, 0, "product"),
    ),
)

RANKS = (
    Arm(
        "rank-sum",
        "`Rank(|w|) + Rank(|grad|)`",
        "combined",
        {"score": "rank-sum"},
        lambda now: Call("Prune_rankW_add_rankGrad", now.due, 0, "weight", "gradient"),
    ),
    Arm(
        "rank-product",
        "`Rank(|w|) * Rank(|grad|)`",
        "combined",
        {"score": "rank-product"},
        lambda now: Call("Prune_rankW_mul_rankGrad_Add_Grad", now.due, 0, "weight", "gradient"),
    ),
)
"""Their code for these does not rank; it is called with both scores and the count that is due."""
