"""Whole filters pruned step by step: orders of filters, and the rule that follows them."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, ClassVar, Protocol

from fggp.pruning.filters.counts import UNIFORM, FilterCounts, Scope
from fggp.pruning.mask_update import Read, Score, Update

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import Tensor, nn

    from fggp.pruning.filters.masks import FilterMasks


class FilterOrder(Protocol):
    """Gives each filter a score at a mask update, from scores of its weights."""

    def __call__(self, update: Update, filters: FilterMasks) -> list[Tensor]:
        """Return ``(channels,)`` for each group; filters with small scores are removed first."""


@dataclass(frozen=True)
class Mean:
    """Score a filter by the mean score of its active weights, over all layers of its group."""

    score: Score

    def __call__(self, update: Update, filters: FilterMasks) -> list[Tensor]:
        """Return ``(channels,)`` float64 for each group."""
        score, mask = self.score(update), update.mask
        values, active = filters.split(score.double() * mask), filters.split(mask)
        found = []
        for group in filters.groups:
            names = [f"{name}.weight" for name in group.producers]
            total = sum(values[it].flatten(1).sum(1) for it in names)
            count = sum(active[it].flatten(1).sum(1) for it in names)
            assert not isinstance(total, int)
            assert not isinstance(count, int)
            found.append(total / count.clamp(min=1))
        return found


@dataclass(frozen=True)
class Stages:
    """Two orders, one after the other: candidates by the first, and among these by the second.

    The ceil(ρ·n) of n active filters that come first in the first order are candidates. They are
    removed in the second order. The others follow, in the first order, only after all candidates.

    Attributes:
        first: the order that chooses candidates.
        second: the order that decides among them.
        rate: ρ.
        scope: whether candidates are taken over all groups, or in each.

    """

    first: FilterOrder
    second: FilterOrder
    rate: Fraction
    scope: Scope = "global"

    def __call__(self, update: Update, filters: FilterMasks) -> list[Tensor]:
        """Return the place of each filter in the order; those already removed come first."""
        import torch

        active = filters.kept(update.mask)
        first, second = self.first(update, filters), self.second(update, filters)
        sizes = filters.counts
        if self.scope == "global":
            parts = (torch.cat(it) for it in (first, second, active))
            return list(self._order(*parts).split_with_sizes(sizes))
        return [self._order(*it) for it in zip(first, second, active, strict=True)]

    def _order(self, first: Tensor, second: Tensor, active: Tensor) -> Tensor:
        import torch

        places = torch.zeros(len(first), dtype=torch.float64, device=first.device)
        ranked = torch.argsort(first, stable=True)
        ranked = ranked[active[ranked]]
        count = ceil(self.rate * len(ranked))
        candidates = ranked[:count].sort().values  # equal ones in the order of their index
        candidates = candidates[torch.argsort(second[candidates], stable=True)]
        order = torch.cat([candidates, ranked[count:]])
        places[order] = torch.arange(1, len(order) + 1, dtype=torch.float64, device=first.device)
        return places


@dataclass(frozen=True)
class PruneFilters:
    """Prune whole filters to at most the scheduled number of weights, or share of the work.

    Attributes:
        order: the order in which filters are removed.
        counts: the number of filters that stay in each group.

    """

    order: FilterOrder
    counts: FilterCounts = UNIFORM
    whole_filters: ClassVar[bool] = True

    def __call__(self, update: Update) -> Update:
        """Return the update with masks of whole rows and columns."""
        filters = update.filters
        assert filters is not None  # the pruner gives them to such a rule
        return _to_whole_filters(update, filters, self.order(update, filters), self.counts)


@dataclass(frozen=True)
class Slim:
    """Pull the scales of batch normalization to zero, and prune by them when the window ends.

    Before that, every update subtracts lr·λ from each |γ|, not below zero: the proximal step of the
    penalty λ·Σ|γ|, with the learning rate of its parameter group.

    Attributes:
        penalty: λ.
        counts: the number of filters that stay in each group.

    """

    penalty: Fraction
    counts: FilterCounts = UNIFORM
    whole_filters: ClassVar[bool] = True
    reads: ClassVar[frozenset[Read]] = frozenset()

    def __call__(self, update: Update) -> Update:
        """Return the update with smaller scales in the model, or with masks of whole filters."""
        import torch

        filters = update.filters
        assert filters is not None  # the pruner gives them to such a rule
        scales = filters.scales(change=update.window < 1)
        if update.window < 1:
            with torch.no_grad():
                for gamma in (it for group in scales for it in group):
                    lr = update.lr if update.lr_of is None else update.lr_of(gamma)
                    step = lr * float(self.penalty)
                    gamma.copy_(gamma.sign() * (gamma.abs() - step).clamp(min=0))
            return update
        columns = [
            torch.cat([it.detach().double().abs().view(channels, -1) for it in group], 1)
            for group, channels in zip(scales, filters.counts, strict=True)
        ]
        scores = [it.sum(1) for it in columns]
        return _to_whole_filters(update, filters, scores, self.counts)


def _to_whole_filters(
    update: Update, filters: FilterMasks, scores: list[Tensor], counts: FilterCounts
) -> Update:
    """Return the update with the masks of the active filters with the largest scores."""
    import torch

    share = Fraction(update.keep, len(update.mask))
    kept = counts(filters, scores, filters.kept(update.mask), share)
    return update.to(torch.cat(filters.masks(kept)) & update.mask)


def filters_for(
    rule: object,
    model: nn.Module,
    parameters: Mapping[str, nn.Parameter],
    batches: Iterable[tuple[Tensor, Tensor]] | None,
) -> FilterMasks | None:
    """Return the filters of a network if a rule prunes them; None for other rules."""
    if not any(getattr(it, "whole_filters", False) for it in _parts(rule)):
        return None
    from fggp.pruning.filters.masks import FilterMasks, image_shape

    image = image_shape(batches)
    filters = FilterMasks(model, parameters, image)
    if image is not None and any(getattr(it, "budget", None) == "work" for it in _parts(rule)):
        _ = filters.positions  # before the training, when a model can be copied
    return filters


def _parts(part: object) -> Iterator[object]:
    """Yield a part of a method and all parts inside it."""
    yield part
    inner = part if isinstance(part, tuple) else vars(part).values() if is_dataclass(part) else ()
    for it in inner:
        yield from _parts(it)
