"""Whole filters pruned at once: an initial mask from a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import prod

from fggp.pruning.filters.counts import UNIFORM, FilterCounts
from fggp.pruning.filters.scores import FilterScore, Judged
from fggp.pruning.initial_masks import Beginning, Mask


@dataclass(frozen=True)
class Filters:
    """Keep the filters of a trained network with the largest scores: rows and columns go together.

    Attributes:
        score: score of each filter.
        counts: the number of filters that stay in each group.

    """

    score: FilterScore
    counts: FilterCounts = UNIFORM

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks, of at most ``keep`` weights unless one channel per group is more.

        Raises ValueError if a score lacks its data or batch normalization, or is not finite.
        """
        import torch

        from fggp.pruning.filters.masks import FilterMasks, image_shape

        assert beginning.model is not None
        assert beginning.parameters is not None
        batches = list(beginning.batches or ())
        filters = FilterMasks(beginning.model, beginning.parameters, image_shape(batches))
        judged = Judged(beginning.model, filters.groups, beginning.random, batches, beginning.loss)
        scores = self.score(judged)
        if not all(bool(it.isfinite().all()) for it in scores):
            raise ValueError("filters: scores are not finite; look for weights that are not")
        everything = [torch.ones_like(it, dtype=torch.bool) for it in scores]
        share = Fraction(beginning.keep, sum(prod(shape) for shape in beginning.shapes))
        kept = self.counts(filters, scores, everything, share)
        return [mask.cpu().numpy() for mask in filters.masks(kept)]
