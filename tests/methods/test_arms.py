"""The arms of the paper, against slow references that follow the text of the method alone.

Each reference takes weights out and puts others back, as the text says it, over plain lists that
are sorted by (score, index); the index is flat over all layers in their order.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil, cos, pi
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from networks import IMAGES, LABELS, TOTAL, network
from numpy.typing import NDArray
from torch import nn

from fggp import METHODS, Pruner
from fggp.methods.registry import method
from fggp.pruning.timing import Timing

Vector = NDArray[np.float32]
HALF = Fraction(1, 2)
TIMING = Timing(steps=30, begin=0, end=24, every=2)
COSINE = {"schedule": "cosine", "start": "1/2", "end": 0.005, "over": "training"}
ARMS: dict[str, dict[str, Any]] = {
    "fggp": {"method": "fggp"},
    "fggp-magnitude-first": {"method": "fggp", "order": "magnitude-first"},
    "fggp-annealed-kept": {"method": "fggp", "pool": "kept", "rate": COSINE},
    "fggp-kept": {"method": "fggp", "pool": "kept", "rate": "1/2"},
    "global-exchange": {
        "method": "fggp",
        "order": "magnitude-first",
        "pool": "kept",
        "rate": COSINE,
    },
    "gradient": {"method": "fggp", "rho": 0},
    "product": {"method": "combined", "score": "product"},
    "rank-sum": {"method": "combined", "score": "rank-sum"},
    "rank-product": {"method": "combined", "score": "rank-product"},
}


class Seen(NamedTuple):
    """The input of an update: |w| and |g|, the active places, K and the share of the training."""

    w: Vector
    g: Vector
    active: list[int]
    keep: int
    progress: float

    @property
    def surplus(self) -> int:
        """Return the number of weights to prune, n − K."""
        return len(self.active) - self.keep


def ascending(score: Any, places: Iterable[int]) -> list[int]:
    return sorted(places, key=lambda place: (score[place], place))


def half_by_gradient_then_smallest_magnitudes(seen: Seen) -> set[int]:
    candidates = ascending(seen.g, seen.active)[: max(seen.surplus, ceil(HALF * len(seen.active)))]
    return set(ascending(seen.w, candidates)[: seen.surplus])


def half_by_magnitude_then_smallest_gradients(seen: Seen) -> set[int]:
    candidates = ascending(seen.w, seen.active)[: max(seen.surplus, ceil(HALF * len(seen.active)))]
    return set(ascending(seen.g, candidates)[: seen.surplus])


def exchanged(first: Vector, second: Vector, rate: Fraction, seen: Seen) -> set[int]:
    """Take out n − K + ⌈r·K⌉ by the smallest first score; put ⌈r·K⌉ back by the largest second."""
    again = ceil(rate * seen.keep)
    out = ascending(first, seen.active)[: seen.surplus + again]
    back = ascending(second, out)[len(out) - again :]
    return set(out) - set(back)


def annealed(progress: float) -> Fraction:
    """Return GraNet's cosine from 1/2 to 0.005, to six digits as the schedules have it."""
    rate = 0.005 + (0.5 - 0.005) * (1 + cos(pi * progress)) / 2
    return Fraction(round(rate * 10**6), 10**6)


def gradient_first_annealed(seen: Seen) -> set[int]:
    return exchanged(seen.g, seen.w, annealed(seen.progress), seen)


def gradient_first_with_half_of_the_kept(seen: Seen) -> set[int]:
    return exchanged(seen.g, seen.w, HALF, seen)


def exchange_over_all_layers(seen: Seen) -> set[int]:
    return exchanged(seen.w, seen.g, annealed(seen.progress), seen)


def smallest_gradients(seen: Seen) -> set[int]:
    return set(ascending(seen.g, seen.active)[: seen.surplus])


def smallest_products(seen: Seen) -> set[int]:
    return set(ascending(seen.w * seen.g, seen.active)[: seen.surplus])


def rank_of(score: Vector, seen: Seen) -> dict[int, int]:
    return {place: rank for rank, place in enumerate(ascending(score, seen.active), 1)}


def smallest_rank_sums(seen: Seen) -> set[int]:
    w, g = rank_of(seen.w, seen), rank_of(seen.g, seen)
    return set(ascending({it: w[it] + g[it] for it in seen.active}, seen.active)[: seen.surplus])


def smallest_rank_products(seen: Seen) -> set[int]:
    w, g = rank_of(seen.w, seen), rank_of(seen.g, seen)
    return set(ascending({it: w[it] * g[it] for it in seen.active}, seen.active)[: seen.surplus])


PRUNED: dict[str, Callable[[Seen], set[int]]] = {
    "fggp": half_by_gradient_then_smallest_magnitudes,
    "fggp-magnitude-first": half_by_magnitude_then_smallest_gradients,
    "fggp-annealed-kept": gradient_first_annealed,
    "fggp-kept": gradient_first_with_half_of_the_kept,
    "global-exchange": exchange_over_all_layers,
    "gradient": smallest_gradients,
    "product": smallest_products,
    "rank-sum": smallest_rank_sums,
    "rank-product": smallest_rank_products,
}


def cubic_count(update: int, start: Fraction) -> int:
    """Return K at an update of the 12, for a target of 95 %."""
    target = Fraction(19, 20)
    sparsity = target + (start - target) * (1 - Fraction(update, 12)) ** 3
    return TOTAL - int(TOTAL * sparsity + HALF)


def flat(tensors: Iterable[torch.Tensor]) -> Any:
    return torch.cat([tensor.detach().flatten() for tensor in tensors]).clone().numpy()


def with_dead_channels(model: nn.Sequential) -> nn.Sequential:
    """Switch four channels off: the gradients of the weights before them are exact zeros."""
    with torch.no_grad():
        for norm, channels in ((model[1], [0, 3]), (model[4], [1, 2])):
            norm.weight[channels] = 0
            norm.bias[channels] = -1
    return model


@pytest.mark.parametrize("weights", ["forward", "stepped"])
@pytest.mark.parametrize("dead", [False, True], ids=["alive", "dead-channels"])
@pytest.mark.parametrize("start", ["0", "1/2"], ids=["dense", "half"])
@pytest.mark.parametrize("arm", ARMS)
def test_every_update_of_an_arm_prunes_what_the_text_says(
    arm: str, start: str, dead: bool, weights: str
) -> None:
    settings = ARMS[arm] | {"weights": weights}
    name = settings.pop("method")
    made = method(name, sparsity=0.95, initial_sparsity=start, steps=30, timing=TIMING, **settings)
    model = with_dead_channels(network()) if dead else network()
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    pruner = Pruner(model, optimizer, made)
    own = list(pruner.parameters.values())
    checked = 0
    for step in range(1, TIMING.steps + 1):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(IMAGES), LABELS).backward()
        forward, slope, mask = flat(own), flat(p.grad for p in own), flat(pruner.masks.values())
        optimizer.step()
        stepped = flat(own) * mask
        if (update := pruner.step()) is None:
            continue
        seen = Seen(
            np.abs(forward if weights == "forward" else stepped),
            np.abs(slope),
            np.flatnonzero(mask).tolist(),
            cubic_count(update, Fraction(start)),
            step / TIMING.steps,
        )
        expected = mask.copy()
        expected[list(PRUNED[arm](seen))] = False
        assert np.array_equal(flat(pruner.masks.values()), expected), f"update {update}"
        assert expected.sum() == seen.keep
        if update == 1:
            assert (seen.g[seen.active] == 0).any() == dead
        checked += 1
    assert checked == 12


def test_the_arms_read_the_weights_of_the_forward_pass_unless_told_otherwise() -> None:
    for settings in ARMS.values():
        assert METHODS[settings["method"]].defaults["weights"] == "forward"
