"""The common parts of methods that prune filters of a trained network."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated

from pydantic import Field

from fggp.foundation.exact import Share
from fggp.pruning.filters.counts import Budget, FilterCounts, Multiple, Scope
from fggp.pruning.filters.initial import Filters
from fggp.pruning.filters.scores import FilterScore
from fggp.pruning.recipe import Recipe

Scratch = Annotated[bool, Field(strict=True)]

WHOLE = """\
A filter is removed with its row, and with its column in every layer that reads it, so that the
network can be shrunk (`fggp.shrink`). A residual stream is one group, whose score is the sum over
its convolutions. At least one channel of each group stays."""
SETTINGS = """\
Args:
    scope: "uniform" keeps the same share of every group, the largest that fits; "global"
        removes the smallest scores of all groups.
    budget: the quantity that the sparsity refers to: weights, or work, the multiplications of
        an image.
    multiple: the number of channels kept in a group is a multiple of this, or all of them.
    fine_tune: the last share of the training, which is repeated after pruning.
    scratch: whether weights start from their initial values, for a whole training."""


def filters_after_training(
    default: Scope,
) -> Callable[[Callable[[], FilterScore]], Callable[..., Recipe]]:
    """Make a method from a score: it prunes filters of the trained dense network at once.

    The decorated function returns the score. Its docstring begins with a line and a formula; the
    text common to all these methods is added after them, and their settings at the end. Trained
    again from ``scratch``, the network keeps only the shape of the trained one (Liu et al. 2019).

    Args:
        default: default of the setting ``scope``.

    """

    def method(score: Callable[[], FilterScore]) -> Callable[..., Recipe]:
        def make(
            *,
            scope: Scope = default,
            budget: Budget = "weights",
            multiple: Multiple = 1,
            fine_tune: Share = Fraction(1, 2),
            scratch: Scratch = False,
        ) -> Recipe:
            if not fine_tune:
                raise ValueError("fine_tune: 0 leaves nothing to train; set a share above 0")
            again = Fraction(1) if scratch else fine_tune
            initial = Filters(score(), FilterCounts(scope, budget, multiple))
            return Recipe(initial=initial, fine_tune=again, scratch=scratch)

        line, formula, *more = (inspect.getdoc(score) or "").split("\n\n")
        make.__doc__ = "\n\n".join([line, formula, WHOLE, *more, SETTINGS])
        make.__name__ = score.__name__
        return make

    return method
