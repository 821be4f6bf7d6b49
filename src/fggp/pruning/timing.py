"""The steps of mask updates, and the sparsity at each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from typing import Any

from fggp.foundation.exact import kept_count, plain
from fggp.pruning.mask_update import Read, read_by
from fggp.pruning.plain_numbers import whole_number
from fggp.pruning.recipe import Recipe
from fggp.pruning.schedules import Schedule
from fggp.pruning.warning import warn


def whole_steps(name: str, value: object) -> int:
    """Return a number of steps as an int; raises TypeError, with the fix, if it is not whole."""
    try:
        return whole_number(value)
    except TypeError:
        whole = isinstance(value, float) and value.is_integer()
        fix = f"{value:.0f}; divide with // instead of /" if whole else "a whole number of steps"
        given = " ".join(repr(value).split())  # a tensor has several lines
        raise TypeError(f"{name}: {given} is not a whole number; give {fix}") from None


LEAST = {"steps": 1, "begin": 0, "end": 0, "every": 1}
"""The least value of each number of a timing."""


@dataclass(frozen=True)
class Timing:
    """Updates at steps begin + c·every, for c = 1 … T with T = floor((end − begin) / every).

    Attributes:
        steps: optimizer steps of the whole training.
        begin: first step of the pruning window.
        end: last step of the pruning window.
        every: steps between two updates.

    """

    steps: int
    begin: int
    end: int
    every: int

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            value = whole_steps(name, getattr(self, name))
            object.__setattr__(self, name, value)  # the class is frozen
            if value < least:
                raise ValueError(f"{name}: {value} is out of range; the nearest valid is {least}")

    @classmethod
    def default(cls, steps: int) -> Timing:
        """Return a window from 0 to half of ``steps`` with about 28 updates."""
        return cls(steps, 0, steps // 2, max(1, round(steps / 56)))

    @classmethod
    def in_rounds(cls, length: int, rewind: int, rounds: int) -> Timing:
        """Return the timing of several trainings, with an update between consecutive ones.

        The first has ``length`` steps; the others start from its step ``rewind``.
        """
        every = length - rewind
        return cls(rewind + rounds * every, rewind, rewind + (rounds - 1) * every, every)

    def check_fits(self, steps: int, recipe: Recipe) -> None:
        """Raise ValueError, with the fix, if the timing is not of a training of ``steps`` steps.

        Warn if it is of a longer one, which may be continued later. A study may shorten a training,
        so that its window ends later; its timing is not checked.
        """
        if steps < 1:
            raise ValueError(f"steps: {steps} is out of range; the nearest valid is 1")
        if self.steps < steps:
            raise ValueError(
                f"timing: it is of a training of {self.steps} steps, but steps is {steps}; give "
                "both the same number"
            )
        if self.steps > steps:
            warn(
                f"timing: it is of a training of {self.steps} steps, but steps is {steps}; unless "
                "the training continues, it ends before the target sparsity"
            )
        if self.end > self.steps:
            raise ValueError(
                f"timing: end {self.end} is after the training of {self.steps} steps; the nearest "
                f"valid is {self.steps}"
            )
        # A method without updates needs no window.
        if self.begin > self.end or (recipe.rule and self.begin == self.end):
            raise ValueError(
                f"timing: begin {self.begin} is not before end {self.end}; begin earlier, or end "
                "later"
            )

    @property
    def updates(self) -> int:
        """T, the number of updates inside the window."""
        return (self.end - self.begin) // self.every

    def update_at(self, step: int) -> int | None:
        """Return the number c of the update due after ``step`` steps (from 1), or None."""
        number, rest = divmod(step - self.begin, self.every)
        return number if rest == 0 and number >= 1 else None


@dataclass(frozen=True)
class Method:
    """A method ready for one training: parts, sparsities and timing.

    Attributes:
        name: name for messages.
        recipe: the parts.
        sparsity: exact target sparsity.
        initial_sparsity: exact sparsity of the initial mask; the target if a method has one start.
        timing: the steps of the updates.
        settings: settings of the recipe as plain data, for messages and to recognize a saved
            state; empty if they are not known.

    """

    name: str
    recipe: Recipe
    sparsity: Fraction
    initial_sparsity: Fraction
    timing: Timing
    settings: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(
        cls,
        name: str,
        recipe: Recipe,
        sparsity: Fraction,
        initial_sparsity: Fraction | None,
        timing: Timing,
    ) -> Method:
        """Return the method; by default the initial sparsity is the one start of its recipe."""
        if initial_sparsity is None:
            initial_sparsity = Fraction(0) if recipe.dense_start else sparsity
        if recipe.period:
            timing = replace(timing, every=min(recipe.period, timing.every))
        return cls(name, recipe, sparsity, initial_sparsity, timing)

    def __post_init__(self) -> None:
        timing = self.timing
        if self.recipe.rule and timing.updates < 1:
            raise ValueError(
                f"{self.name}: the pruning window of {timing.end - timing.begin} steps is shorter "
                f"than the {timing.every} steps between two updates; update more often"
            )

    def __repr__(self) -> str:
        values = {
            "sparsity": plain(self.sparsity),
            "initial_sparsity": plain(self.initial_sparsity),
            "steps": self.timing.steps,
            "timing": self.timing,
            **self.settings,
        }
        given = ", ".join(f"{name}={value!r}" for name, value in values.items())
        return f"fggp.method({self.name!r}, {given})"

    @property
    def identity(self) -> str:
        """Name, sparsities and timing, which identify a saved state."""
        return f"{self.name} {self.initial_sparsity} to {self.sparsity}, {self.timing}"

    @property
    def schedule(self) -> Schedule:
        """Sparsity as a function of progress through the window."""
        return self.recipe.sparsity(self.initial_sparsity, self.sparsity)

    def window(self, update: int) -> Fraction:
        """Return the progress through the pruning window at an update: c / T, at most 1."""
        return min(Fraction(update, max(1, self.timing.updates)), Fraction(1))

    def keep(self, update: int, total: int) -> int:
        """Return K of ``total`` weights at an update; update 0 is the initial mask."""
        return kept_count(total, self.schedule(self.window(update)))

    def update_at(self, step: int) -> int | None:
        """Return the number of the update due after ``step`` steps, or None."""
        update = self.timing.update_at(step) if self.recipe.rule else None
        if update is None or update % self.recipe.every:
            return None
        until = self.recipe.until
        past = update > self.timing.updates if until is None else step > until * self.timing.steps
        return None if past else update

    def reads_at(self, step: int, waiting: int | None) -> frozenset[Read]:
        """Return which tensors of its forward pass the update after ``step`` reads, if one is due.

        ``waiting`` is an earlier update that has not been made yet. If updates read a mean of
        gradients, those of the preceding steps are read as well.
        """
        reads = read_by(self.recipe.rule)
        if waiting is not None or self.update_at(step) is not None:
            return reads
        averaged = self.update_within(step, self.recipe.gradient_steps)
        return reads & {"gradient"} if averaged else frozenset()

    @cached_property
    def last_update(self) -> int:
        """The step after which the last update is due, 0 if the initial masks are final."""
        down = range(self.timing.steps, 0, -1)
        return next((step for step in down if self.update_at(step) is not None), 0)

    @property
    def last_number(self) -> int:
        """The number of the last update inside the window, 0 if the initial masks are final."""
        updates = self.timing.updates
        return updates - updates % self.recipe.every if self.recipe.rule else 0

    def update_within(self, step: int, steps: int) -> bool:
        """Whether an update is due after ``step`` or one of the ``steps`` − 1 that follow."""
        return any(self.update_at(step + ahead) is not None for ahead in range(steps))


def epochs_of(recipe: Recipe, epochs: int, sparsity: Fraction) -> list[int]:
    """Return the epochs of a training in the order in which they are trained, from 1.

    A protocol of ``epochs`` epochs is trained once, in part if a trained network is only
    fine-tuned, or several times in rounds.
    """
    whole = list(range(1, epochs + 1))
    if recipe.fine_tune is not None:
        return whole[epochs - ceil(recipe.fine_tune * epochs) :]
    if recipe.rounds is not None:
        later = whole[floor(recipe.rounds.rewind * epochs) :]
        return whole + later * (recipe.rounds.number(sparsity) - 1)
    return whole
