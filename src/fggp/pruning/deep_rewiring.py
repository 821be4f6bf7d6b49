"""Deep rewiring: weights of fixed sign become inactive at zero while others are activated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from fggp.foundation.random_streams import stream
from fggp.pruning.mask_update import Update, reads

if TYPE_CHECKING:
    from torch import Tensor

AWAKE = 1e-12
"""Magnitude of a weight that has just been activated."""


@dataclass(frozen=True)
class Rewire:
    """Move the active weights a little, deactivate those that lost their sign, activate as many.

    With the sign s of a weight, its θ = s·w becomes θ + lr·(noise·z − drift) with Gaussian z; it
    is deactivated if that is not above zero. The new active weights are drawn from all inactive
    ones, including those just deactivated (Bellec et al. 2018, algorithm 1). The learning rate is
    that of the preceding step, in the parameter group of the weight.

    Attributes:
        drift: drift toward zero, as of an L1 penalty.
        noise: standard deviation of the noise.
        scope: whether as many weights are activated as deactivated in each layer, or in total.

    """

    drift: Fraction
    noise: Fraction
    scope: Literal["global", "layer"]
    grows: ClassVar[bool] = True

    def __call__(self, update: Update) -> Update:
        """Return the update with the same number of active weights."""
        signs, active = signs_of(update), update.mask.nonzero().squeeze(1)
        lr = update.lr_of_weights
        lr = lr if isinstance(lr, int | float) else lr[active]
        theta = (update.weight * signs)[active] - lr * float(self.drift)
        if self.noise:
            drawn = update.random.standard_normal(len(active), dtype=np.float32)
            theta += theta.new_tensor(drawn) * (lr * float(self.noise))
        awake = active[theta > 0]
        weight = update.weight.new_zeros(update.weight.shape)
        mask = update.mask.new_zeros(update.mask.shape)
        weight[awake], mask[awake] = theta[theta > 0] * signs[awake], True
        survived = update.survived & mask
        for part in self._parts(update):
            count = int(update.mask[part].count_nonzero())
            woken = part.start + self._draw(update, mask[part], count)
            weight[woken], mask[woken] = AWAKE * signs[woken].to(weight.dtype), True
        return replace(update, weight=weight, mask=mask, survived=survived)

    def _parts(self, update: Update) -> list[slice]:
        """Return the parts of the flat vectors that keep their counts."""
        sizes = update.sizes if self.scope == "layer" else (len(update.mask),)
        return [slice(end - size, end) for size, end in zip(sizes, accumulate(sizes), strict=True)]

    def _draw(self, update: Update, mask: Tensor, count: int) -> Tensor:
        """Return the positions to activate to make ``count``; their ranks are drawn on the CPU."""
        asleep = (~mask).nonzero().squeeze(1)
        missing = count - (len(mask) - len(asleep))
        ranks = update.random.choice(len(asleep), missing, replace=False, shuffle=False)
        return asleep[asleep.new_tensor(ranks)]


@reads()
def fix_signs(update: Update) -> Update:
    """Give every weight its fixed sign, keeping its magnitude."""
    return replace(update, weight=update.weight.abs() * signs_of(update))


def signs_of(update: Update) -> Tensor:
    """Return the (N,) signs, 1 or −1, that weights keep during a training."""
    return _signs(update.seed, len(update.weight), update.weight.device)


@lru_cache(maxsize=2)  # every step needs the same signs
def _signs(seed: int, size: int, device: Any) -> Tensor:
    import torch

    drawn = stream(seed, "signs").integers(0, 2, size, dtype=np.int8) * 2 - 1
    return torch.from_numpy(drawn).to(device)
