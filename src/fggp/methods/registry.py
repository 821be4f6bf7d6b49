"""A method is a value composed of parts; its file declares it and this module keeps the list."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from fggp.complaints import nearest
from fggp.initial import ERK, InitialMask
from fggp.rules import Rule
from fggp.schedules import Schedule, held

Starts = Literal["both", "one"]
Masking = Literal["hard", "soft", "projected"]


@dataclass(frozen=True)
class Recipe:
    """The parts of a method, with its settings filled in.

    Attributes:
        initial: draws the initial mask at the initial sparsity.
        sparsity: makes the sparsity schedule from the initial and the target sparsity.
        rule: one mask update; None where the initial mask is final.
        until: the share of the training after which updates end; they go on at the target count
            after the pruning window. None: they end with the window.
        every: only every n-th update of the timing is made.
        gradient_steps: steps over which the signed gradient is averaged before an update.
        floor: least share of each layer that the rule keeps, for a check before training.

    """

    initial: InitialMask = ERK
    sparsity: Callable[[Fraction, Fraction], Schedule] = held
    rule: Rule | None = None
    until: Fraction | None = None
    every: int = 1
    gradient_steps: int = 1
    floor: Fraction = Fraction(0)


@dataclass(frozen=True)
class Definition:
    """A registered method.

    Attributes:
        name: as written in configurations.
        paper: where it was published.
        starts: "both" where a dense and a sparse start are defined, else "one".
        ranks: whether it competes; the dense reference does not.
        masking: "hard" is zero off the mask after every step; "soft" keeps values off the mask;
            "projected" is sparse only at the end.
        make: settings in, `Recipe` out.

    """

    name: str
    paper: str
    starts: Starts
    ranks: bool
    masking: Masking
    make: Callable[..., Recipe]

    @cached_property
    def settings(self) -> type[BaseModel]:
        """The settings as a typed model, read off the signature of the method's function."""
        signature = inspect.signature(self.make, eval_str=True)
        fields: dict[str, Any] = {
            name: (parameter.annotation, parameter.default)
            for name, parameter in signature.parameters.items()
        }
        return create_model(
            self.name, __config__=ConfigDict(extra="forbid", validate_default=True), **fields
        )

    @property
    def summary(self) -> str:
        """The first line of the method's docstring."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]

    def recipe(self, **settings: Any) -> Recipe:
        """Return the parts for ``settings``; raises pydantic's ValidationError on a bad one."""
        return self.make(**dict(self.settings(**settings)))


METHODS: dict[str, Definition] = {}


def method(
    *, paper: str, starts: Starts, ranks: bool = True, masking: Masking = "hard"
) -> Callable[[Callable[..., Recipe]], Callable[..., Recipe]]:
    """Register the decorated function as a method under its own name, ``_`` written as ``-``."""

    def register(make: Callable[..., Recipe]) -> Callable[..., Recipe]:
        name = make.__name__.replace("_", "-")
        if name in METHODS:
            raise ValueError(f"two methods are called {name!r}; rename the function of one of them")
        METHODS[name] = Definition(name, paper, starts, ranks, masking, make)
        return make

    return register


def find(name: str) -> Definition:
    """Return a method by name; raises KeyError with the nearest known name."""
    if name in METHODS:
        return METHODS[name]
    hint = nearest(name, list(METHODS))
    raise KeyError(f"no method is called {name!r}{hint} (`python -m fggp methods`)")
