"""What the methods that prune filters of a trained network have in common."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

from pydantic import Field

from fggp.pruning.filters.counts import Budget, FilterCounts, Scope
from fggp.pruning.filters.initial import Filters
from fggp.pruning.filters.scores import FilterScore
from fggp.pruning.recipe import Recipe

Scratch = Annotated[bool, Field(strict=True)]


def filters_after_training(
    score: FilterScore,
    *,
    scope: Scope,
    budget: Budget,
    multiple: int,
    fine_tune: Fraction,
    scratch: bool,
) -> Recipe:
    """Return a recipe that prunes filters of the trained dense network at once.

    Args:
        score: of each filter.
        scope: whether every group keeps the same share, or filters of all groups compete.
        budget: what the target is a share of.
        multiple: of the channels of a group.
        fine_tune: the last share of the training, gone through again afterwards.
        scratch: whether the weights start again from their initial values, for a whole training;
            of the trained network the shape alone is left (Liu et al. 2019).

    Raises:
        ValueError: where nothing is left to train.

    """
    if not fine_tune:
        raise ValueError("fine_tune: 0 leaves nothing to train; set a share above 0")
    again = Fraction(1) if scratch else fine_tune
    initial = Filters(score, FilterCounts(scope, budget, multiple))
    return Recipe(initial=initial, fine_tune=again, scratch=scratch)
