"""Initial masks whose layers keep weights in proportion to their effect on the loss."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from fggp.pruning.distributions import by_scores
from fggp.pruning.initial_masks import Beginning, Mask
from fggp.pruning.topk import keep_largest


@dataclass(frozen=True)
class ZerothOrder:
    """Distribute K over layers by differences of the loss; keep the largest |w| inside each.

    Attributes:
        least: least density of each layer, as a share of the target's density.
        draws: number of directions in which the loss is evaluated for each layer.

    """

    least: Fraction
    draws: int = 1

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks; raises ValueError without batches and loss."""
        from fggp.pruning import saliency

        assert beginning.model is not None  # the pruner gives them
        assert beginning.parameters is not None
        if beginning.batches is None or beginning.loss is None:
            raise ValueError(
                "ecoflap evaluates the loss before training, on data: give "
                "Pruner(..., batches=[(inputs, targets)], loss=...)"
            )
        scores = saliency.zeroth_order(
            beginning.model, beginning.parameters, beginning.batches, beginning.loss,
            draws=self.draws, seed=int(beginning.random.integers(2**63)),
        )  # fmt: skip
        weights = [p.detach().abs().reshape(-1) for p in beginning.parameters.values()]
        counts = by_scores([len(it) for it in weights], scores, beginning.keep, self.least)
        return [
            keep_largest(weight, count, weight.new_ones(len(weight)).bool()).cpu().numpy()
            for weight, count in zip(weights, counts, strict=True)
        ]
