"""The number of positions in which the masks differ, and the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import NamedTuple, Self

import numpy as np
import torch
from arms import RANKS, Arm, Counts, counts
from their_code import Authors, Call, ties_by_index
from torch import Tensor
from trainings import State, Training

from fggp.data import Dataset
from fggp.foundation.exact import kept_count
from fggp.pruning.mask_update import Update
from fggp.pruning.schedules import Cubic


class Plan(NamedTuple):
    """When masks are updated.

    Attributes:
        updates: how many there are, in the first 80 % of a training.
        every: steps between two of them.

    """

    updates: int = 16
    every: int = 5

    @property
    def window(self) -> int:
        """Steps until the last update."""
        return self.updates * self.every

    @property
    def steps(self) -> int:
        """Steps of the whole training; none after the window are made, as no mask changes then."""
        return self.window * 5 // 4


class Sums:
    """Numbers that are added up."""

    def add(self, other: Self) -> None:
        """Add the numbers of another one."""
        for it in fields(self):  # type: ignore[arg-type]
            setattr(self, it.name, getattr(self, it.name) + getattr(other, it.name))


@dataclass
class Differences(Sums):
    """Sums over the updates of one training, or of several.

    Attributes:
        updates: how many there were.
        active: the positions that were looked at.
        pruned: the weights that were due to be pruned.
        differ: positions at which the masks differ, given their counts and their mask.
        zero: of these, positions whose second score is zero.
        ties: of these, positions that agree once ``torch.topk`` breaks ties by index.
        beyond: the rest of these, and what differs only with ties by index, without a zero score.
        fewer: how many weights their code keeps fewer than are due.
        own: positions that differ under our own counts, from the same mask.
        stepped: weights that ours prunes instead where it reads the weights after the step.

    """

    updates: int = 0
    active: int = 0
    pruned: int = 0
    differ: int = 0
    zero: int = 0
    ties: int = 0
    beyond: int = 0
    fewer: int = 0
    own: int = 0
    stepped: int = 0


@dataclass(frozen=True)
class Moment:
    """An update of a training."""

    training: Training
    state: State
    number: int
    plan: Plan
    start: Fraction
    sparsity: Fraction

    @property
    def theirs(self) -> Counts:
        """Return the counts of their script."""
        step, end = self.number * self.plan.every, self.plan.window
        last, first = float(1 - self.sparsity), float(1 - self.start)
        density = last + (first - last) * (1 - step / end) ** 3
        return counts(self.training.base, self.state.zeros, density, step / self.plan.steps)

    @property
    def keep(self) -> int:
        """Return the number of weights kept: K of all, without the dense first convolution."""
        sparsity = Cubic(self.start, self.sparsity)(Fraction(self.number, self.plan.updates))
        keep = kept_count(self.training.weights, sparsity) - self.training.first
        return min(keep, int(self.state.flat("mask").sum()))

    def update(self, keep: int) -> Update:
        """Return what our rule sees."""
        state, mask = self.state, self.state.flat("mask")
        return Update(
            weight=state.stepped,
            dense_gradient=state.flat("gradient"),
            mask=mask,
            survived=mask,
            sizes=state.sizes,
            keep=keep,
            window=Fraction(self.number, self.plan.updates),
            training=Fraction(self.number * self.plan.every, self.plan.steps),
            random=np.random.default_rng(0),
            weight_before=state.flat("weight"),
        )


def moments(
    dataset: Dataset, start: Fraction, sparsity: Fraction, plan: Plan, seed: int
) -> Iterator[Moment]:
    """Yield the updates of a training; its masks are for the caller to change."""
    training = Training(dataset, start, seed)
    for number in range(1, plan.updates + 1):
        yield Moment(training, training.steps(plan.every), number, plan, start, sparsity)


def compare(arm: Arm, authors: Authors, moment: Moment) -> Differences:
    """Compare one update, and go on with the mask of the authors."""
    call = arm.call(moment.theirs)
    state, mask = moment.state, moment.state.flat("mask")
    given = int(mask.sum()) - (call.prune - call.add)
    theirs = authors.mask(call, state.layers)
    with ties_by_index():
        indexed = authors.mask(call, state.layers)
    ours = arm.ours(moment.update(given), call.add)
    zero = _second(call, state) == 0
    differ, left = ours ^ theirs, ours ^ indexed
    found = Differences(
        updates=1,
        active=int(mask.sum()),
        pruned=call.prune - call.add,
        differ=int(differ.sum()),
        zero=int((differ & zero).sum()),
        ties=int((differ & ~left & ~zero).sum()),
        beyond=int((left & ~zero).sum()),
        fewer=given - int(theirs.sum()),
        own=int((arm.ours(moment.update(moment.keep)) ^ theirs).sum()),
        stepped=int((ours & ~arm.with_stepped_weights.ours(moment.update(given), call.add)).sum()),
    )
    moment.training.prune(theirs)
    return found


def _second(call: Call, state: State) -> Tensor:
    """Return the score that decides what is pruned in the end."""
    weight, gradient = state.flat("weight"), state.flat("gradient")
    if call.criterion is None:
        return weight * gradient
    return weight if call.second == "weight" else gradient


@dataclass
class RankDifferences(Sums):
    """The same of an arm by ranks: our mask beside a slow reference in numpy, and their code.

    Attributes:
        updates: how many there were.
        active: the positions that were looked at.
        pruned: the weights that were pruned.
        differ: positions at which ours differs from the reference.
        theirs: positions at which their code differs from both, given count and both scores.

    """

    updates: int = 0
    active: int = 0
    pruned: int = 0
    differ: int = 0
    theirs: int = 0


def compare_ranks(arm: Arm, authors: Authors, moment: Moment) -> RankDifferences:
    """Compare one update of an arm by ranks, and go on with our mask."""
    state, mask, keep = moment.state, moment.state.flat("mask"), moment.keep
    due = int(mask.sum()) - keep
    ours = arm.ours(moment.update(keep))
    call = arm.call(Counts(due, 0, 0.0))
    found = RankDifferences(
        updates=1,
        active=int(mask.sum()),
        pruned=due,
        differ=int((ours ^ torch.from_numpy(by_ranks(arm is RANKS[0], state, keep))).sum()),
        theirs=int((ours ^ authors.mask(call, state.layers)).sum()),
    )
    moment.training.prune(ours)
    return found


def by_ranks(added: bool, state: State, keep: int) -> np.ndarray:
    """Return the mask of the largest sums, or products, of ranks, by sorting whole numbers."""
    active = np.flatnonzero(state.flat("mask").numpy())
    both = []
    for name in ("weight", "gradient"):
        score = np.abs(state.flat(name).numpy())[active]
        rank = np.empty(len(active), np.int64)
        rank[np.lexsort((active, score))] = np.arange(1, len(active) + 1)
        both.append(rank)
    combined = both[0] + both[1] if added else both[0] * both[1]
    kept = np.zeros(len(state.flat("mask")), bool)
    kept[active[np.lexsort((active, combined))[len(active) - keep :]]] = True
    return kept
