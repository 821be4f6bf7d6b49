"""A method is a value composed of parts; its file declares it and this module keeps the list."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from fggp.complaints import nearest
from fggp.docstrings import Docstring, docstring
from fggp.recipe import Recipe

Starts = Literal["both", "one", "none"]
Masking = Literal["hard", "soft"]


@dataclass(frozen=True)
class Definition:
    """A registered method.

    Attributes:
        name: as written in configurations.
        paper: where it was published.
        starts: "both" where a dense and a sparse start are defined, "one" where there is one, and
            "none" where nothing is pruned.
        ranks: whether it competes; references do not.
        masking: "hard" is zero off the mask after every step; "soft" keeps values off the mask.
        exact: whether the target is met to the weight; else its realised sparsity is compared.
        make: settings in, `Recipe` out.
        earlier: what results that lack a setting were trained with, where that is not its default.

    """

    name: str
    paper: str
    starts: Starts
    ranks: bool
    masking: Masking
    exact: bool
    make: Callable[..., Recipe]
    earlier: Mapping[str, Any] = field(default_factory=dict, hash=False)

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
    def defaults(self) -> dict[str, Any]:
        """The settings by default, in plain data as results hold them."""
        return self.settings().model_dump(mode="json")

    @property
    def kind(self) -> str:
        """When it prunes, as its parts say, or what else it is."""
        recipe = self.recipe()
        if self.starts == "none" or recipe.narrow:
            return "reference"
        if not self.exact:
            return "N:M"
        if recipe.fine_tune is not None or recipe.rounds is not None:
            return "after training"
        return "before training" if recipe.rule is None else "during training"

    @property
    def summary(self) -> str:
        """The first line of the method's docstring."""
        return self.docstring.summary

    @cached_property
    def docstring(self) -> Docstring:
        """The method's docstring in its parts, the formula of its rule among them."""
        return docstring(self.make)

    def recipe(self, **settings: Any) -> Recipe:
        """Return the parts for ``settings``; raises pydantic's ValidationError on a bad one."""
        return self.make(**dict(self.settings(**settings)))


METHODS: dict[str, Definition] = {}


def method(
    *,
    paper: str,
    starts: Starts,
    ranks: bool = True,
    masking: Masking = "hard",
    exact: bool = True,
    earlier: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Recipe]], Callable[..., Recipe]]:
    """Register the decorated function as a method under its own name, ``_`` written as ``-``."""

    def register(make: Callable[..., Recipe]) -> Callable[..., Recipe]:
        name = make.__name__.replace("_", "-")
        if name in METHODS:
            raise ValueError(f"two methods are called {name!r}; rename the function of one of them")
        METHODS[name] = Definition(name, paper, starts, ranks, masking, exact, make, earlier or {})
        return make

    return register


def find(name: str) -> Definition:
    """Return a method by name; raises KeyError with the nearest known name."""
    if name in METHODS:
        return METHODS[name]
    hint = nearest(name, list(METHODS))
    raise KeyError(f"no method is called {name!r}{hint} (`python -m fggp methods`)")
