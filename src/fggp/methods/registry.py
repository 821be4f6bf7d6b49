"""The registry of methods: each file declares one, composed of parts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from fggp.foundation.docstrings import Docstring, docstring
from fggp.foundation.exact import meant_as_share, named_ratio
from fggp.foundation.validation import explain, nearest
from fggp.pruning.plain_numbers import plain_number
from fggp.pruning.recipe import Recipe
from fggp.pruning.timing import Method, Timing, whole_steps

Starts = Literal["both", "one", "none"]
Masking = Literal["hard", "soft"]
Pattern = Literal["weights", "filters", "N:M"]


@dataclass(frozen=True)
class Definition:
    """A registered method.

    Attributes:
        name: its name in configurations.
        paper: its publication.
        starts: "both" where a dense and a sparse start are defined, "one" where there is one, and
            "none" where nothing is pruned.
        ranks: whether it is ranked, among methods of the same pattern; references are not.
        masking: "hard" is zero off the mask after every step; "soft" keeps values off the mask.
        exact: whether the target is met exactly; otherwise its realized sparsity is compared.
        pattern: what it prunes: single weights, whole filters, or all but N of every M weights.
        make: function from settings to a `Recipe`.
        earlier: values with which results that lack a setting were trained, if not the defaults.

    """

    name: str
    paper: str
    starts: Starts
    ranks: bool
    masking: Masking
    exact: bool
    pattern: Pattern
    make: Callable[..., Recipe]
    earlier: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @cached_property
    def settings(self) -> type[BaseModel]:
        """The settings as a typed model, derived from the signature of the method's function."""
        signature = inspect.signature(self.make, eval_str=True)
        fields: dict[str, Any] = {
            name: (parameter.annotation, parameter.default)
            for name, parameter in signature.parameters.items()
        }
        return create_model(
            self.name, __config__=ConfigDict(extra="forbid", validate_default=True), **fields
        )

    @property
    def defaults(self) -> dict[str, Any]:
        """The default settings, in plain data as in results."""
        return self.settings().model_dump(mode="json")

    @property
    def kind(self) -> str:
        """The time of pruning, derived from its parts, or another kind of method."""
        recipe = self.recipe()
        if self.starts == "none" or recipe.narrow:
            return "reference"
        if self.pattern != "weights":
            return self.pattern
        if recipe.fine_tune is not None or recipe.rounds is not None:
            return "after training"
        return "before training" if recipe.rule is None else "during training"

    @property
    def summary(self) -> str:
        """The first line of the method's docstring."""
        return self.docstring.summary

    @cached_property
    def docstring(self) -> Docstring:
        """The parts of the method's docstring, including the formula of its rule."""
        return docstring(self.make)

    def recipe(self, **settings: Any) -> Recipe:
        """Return the parts for ``settings``; raises pydantic's ValidationError on a bad one."""
        return self.make(**dict(self.settings(**settings)))


METHODS: dict[str, Definition] = {}


def register(
    *,
    paper: str,
    starts: Starts,
    ranks: bool = True,
    masking: Masking = "hard",
    exact: bool = True,
    pattern: Pattern = "weights",
    earlier: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Recipe]], Callable[..., Recipe]]:
    """Register the decorated function as a method under its own name, ``_`` written as ``-``."""

    def keep(make: Callable[..., Recipe]) -> Callable[..., Recipe]:
        name = make.__name__.replace("_", "-")
        if name in METHODS:
            raise ValueError(f"two methods are called {name!r}; rename the function of one of them")
        METHODS[name] = Definition(
            name, paper, starts, ranks, masking, exact, pattern, make, earlier or {}
        )
        return make

    return keep


LIST = "fggp methods"
"""The command that lists the methods."""


def find(name: str) -> Definition:
    """Return a method by name; raises KeyError with the nearest known name."""
    if name in METHODS:
        return METHODS[name]
    raise KeyError(f"unknown method {name!r}{nearest(name, METHODS, LIST)}")


KINDS = ("reference", "before training", "during training", "after training", "filters", "N:M")


"""The kinds of methods, in the order in which they are listed."""


def ordered() -> list[Definition]:
    """Return all methods: references first, then by when they prune, then by name."""
    return sorted(METHODS.values(), key=lambda it: (KINDS.index(it.kind), it.name))


def method(
    name: str,
    *,
    sparsity: Fraction | float | str,
    steps: int,
    initial_sparsity: Fraction | float | str = 0,
    timing: Timing | None = None,
    **settings: Any,
) -> Method:
    """Return a method configured for a training of ``steps`` optimizer steps.

    Args:
        name: one of `fggp.METHODS`.
        sparsity: share of the prunable weights to remove; 0.95 and "19/20" are the same.
        steps: optimizer steps of the training.
        initial_sparsity: 0, or the sparsity of the initial mask, for methods with both starts.
        timing: when masks are updated, in a training of as many steps; by default about 28 times in
            the first half.
        settings: settings of the method, see ``fggp methods``.

    Raises:
        KeyError: for an unknown name.
        ValueError: for an invalid sparsity, timing or setting.
        TypeError: for an argument of the wrong type, such as a non-integer number of steps.

    """
    if not isinstance(name, str):
        raise TypeError(f"name: give the name of a method, 'fggp', not {type(name).__name__}")
    definition = find(name)
    steps, settings = whole_steps("steps", steps), plain_number(settings)
    if timing is not None and not isinstance(timing, Timing):
        raise TypeError(f"timing: give a fggp.pruning.Timing, not {type(timing).__name__}")
    target = named_ratio("sparsity", plain_number(sparsity))
    start = named_ratio("initial_sparsity", plain_number(initial_sparsity))
    if not 0 <= start <= target < 1:
        hint = meant_as_share(target) or meant_as_share(start)
        raise ValueError(
            f"sparsity {sparsity} with initial_sparsity {initial_sparsity} is not possible: "
            f"0 <= initial_sparsity <= sparsity < 1 must hold{hint}"
        )
    if steps < 2 and timing is None:
        raise ValueError(f"steps: {steps} is too few; the nearest valid is 2")
    if definition.starts == "none" and target:
        raise ValueError(f"{name} prunes nothing; its sparsity is 0, not {sparsity}")
    if definition.starts == "one" and start:
        raise ValueError(f"{name} has one start; omit initial_sparsity")
    try:
        recipe = definition.recipe(**settings)
    except ValidationError as error:
        raise ValueError(f"{name}: {explain(error, definition.settings)}") from None
    if recipe.narrow:
        raise ValueError(f"{name} is a narrower network, which does not prune this one; train that")
    if timing is None:
        timing = _default(recipe, steps, target)
    else:
        timing.check_fits(steps, recipe)
    plain_settings = definition.settings(**settings).model_dump(mode="json")
    made = Method.of(name, recipe, target, None if definition.starts == "one" else start, timing)
    return replace(made, settings=plain_settings)


def _default(recipe: Recipe, steps: int, sparsity: Fraction) -> Timing:
    if recipe.rounds is None:
        return Timing.default(steps)
    rounds, rewind = recipe.rounds.number(sparsity), recipe.rounds.rewind
    if rounds < 2:
        raise ValueError("sparsity: 0 leaves no round that prunes; use the method dense")
    least = ceil(rounds + rewind / (1 - rewind))
    if steps < least:
        raise ValueError(
            f"steps: {steps} is too few for {rounds} trainings; the nearest valid is {least}"
        )
    every = floor(steps * (1 - rewind) / (rewind + rounds * (1 - rewind)))
    begin = floor(every * rewind / (1 - rewind))  # steps that do not divide go into the last round
    return Timing(steps, begin, begin + (rounds - 1) * every, every)
