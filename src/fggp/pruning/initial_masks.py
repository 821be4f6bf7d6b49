"""Initial masks, drawn on the CPU so that a seed gives the same mask on every device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fggp.foundation.exact import kept_count, rounded
from fggp.pruning.distributions import Distribution, Shape, erk, n_of_m
from fggp.pruning.mask_update import Loss
from fggp.pruning.topk import keep_largest, keep_largest_in_groups, keep_share

if TYPE_CHECKING:
    from torch import Tensor, nn

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Beginning:
    """The inputs of an initial mask.

    Attributes:
        shapes: shapes of the prunable tensors, in layer order.
        keep: K, the total number of weights to keep.
        random: the random stream of initial masks.
        model: the network before the first step.
        parameters: its prunable tensors by name, in layer order.
        batches: pairs of inputs and targets to score weights on, or None.
        loss: function of outputs and targets, or None.

    """

    shapes: Sequence[Shape]
    keep: int
    random: np.random.Generator
    model: nn.Module | None = None
    parameters: Mapping[str, nn.Parameter] | None = None
    batches: Iterable[tuple[Tensor, Tensor]] | None = None
    loss: Loss | None = None


InitialMask = Callable[[Beginning], list[Mask]]
"""Makes one flat boolean mask per shape, with ``keep`` positions set in all."""


@dataclass(frozen=True)
class Random:
    """Random positions with an exact count per layer; dense where everything is kept.

    Two methods with equal shapes, count and seed start from the same mask.
    """

    distribution: Distribution

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks."""
        shapes = beginning.shapes
        return [
            _random(prod(shape), count, beginning.random)
            for shape, count in zip(shapes, self.distribution(shapes, beginning.keep), strict=True)
        ]


ERK = Random(erk)


@dataclass(frozen=True)
class InitialGroups:
    """The N largest magnitudes of every M neighbouring input channels, before the first step.

    Attributes:
        group: the largest M; see `fggp.pruning.distributions.n_of_m`.

    """

    group: int

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks."""
        parameters = beginning.parameters
        assert parameters is not None  # the pruner gives them
        density = Fraction(beginning.keep, sum(prod(shape) for shape in beginning.shapes))
        modules = () if beginning.model is None else beginning.model.modules()
        transposed = {id(it.weight) for it in modules if getattr(it, "transposed", False)}
        masks = []
        for name, weight in parameters.items():
            if id(weight) in transposed:
                raise ValueError(
                    f"{name} is of a transposed convolution, where neighbouring weights are of "
                    "output channels, and N:M needs input channels; exclude it with params="
                )
            shape = tuple(weight.shape)
            if len(shape) < 2:
                raise ValueError(
                    f"{name} has one dimension, and N:M needs input channels; exclude it "
                    "with params="
                )
            keep, group = n_of_m(shape, self.group, density)
            score = weight.detach().abs().reshape(-1)
            masks.append(keep_largest_in_groups(score, shape, group, keep).cpu().numpy())
        return masks


@dataclass(frozen=True)
class LargestWeights:
    """Keep the largest magnitudes over all layers, and at least a share of each layer.

    Attributes:
        floor: ceil(floor·N_l) of a layer's N_l weights are kept first.

    """

    floor: Fraction = Fraction(0)

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks."""
        from fggp.pruning.vectors import flat

        parameters = beginning.parameters
        assert parameters is not None  # the pruner gives them
        weights = flat(parameters.values()).abs()
        every = _everything(parameters)
        reserved = keep_share(weights, self.floor, _sizes(parameters), every)
        places = beginning.keep - int(reserved.count_nonzero())
        return _masks(reserved | keep_largest(weights, places, ~reserved), parameters)


def everything(beginning: Beginning) -> list[Mask]:
    """Keep all weights, for a rule that prunes before the first step."""
    return [np.ones(prod(shape), dtype=bool) for shape in beginning.shapes]


def _random(size: int, count: int, rng: np.random.Generator) -> Mask:
    mask = np.zeros(size, dtype=bool)
    mask[rng.permutation(size)[:count]] = True
    return mask


@dataclass(frozen=True)
class Snip:
    """Keep the K weights with the largest |g·w|, and at least a share of each layer.

    Attributes:
        floor: ceil(floor·N_l) of a layer's N_l weights are kept first, by the same score.

    """

    floor: Fraction = Fraction(0)

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks; raises ValueError without batches and loss."""
        from fggp.pruning import saliency

        model, parameters = _network(beginning)
        if beginning.batches is None or beginning.loss is None:
            raise _missing("snip")
        data = beginning.batches, beginning.loss
        score = saliency.snip(model, parameters, *data, seed=_seed(beginning))
        everything = _everything(parameters)
        reserved = keep_share(score, self.floor, _sizes(parameters), everything)
        places = beginning.keep - int(reserved.count_nonzero())
        return _masks(reserved | keep_largest(score, places, ~reserved), parameters)


@dataclass(frozen=True)
class Grasp:
    """Remove the weights with the largest −w·(Hg), so that K are kept.

    Attributes:
        temperature: divisor of the outputs before the loss.

    """

    temperature: Fraction = Fraction(200)

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks; raises ValueError without batches and loss."""
        from fggp.pruning import saliency

        model, parameters = _network(beginning)
        if beginning.batches is None or beginning.loss is None:
            raise _missing("grasp")
        data, temperature = (beginning.batches, beginning.loss), float(self.temperature)
        score = saliency.grasp(
            model, parameters, *data, temperature=temperature, seed=_seed(beginning)
        )
        return _masks(keep_largest(score, beginning.keep, _everything(parameters)), parameters)


@dataclass(frozen=True)
class Synflow:
    """Keep the K weights with the largest flow, scored again in each of many rounds.

    Attributes:
        rounds: n; about N·(K/N)^(k/n) weights are left after round k, and K after the last one.

    """

    rounds: int = 100

    def __call__(self, beginning: Beginning) -> list[Mask]:
        """Return the masks; raises ValueError without batches."""
        from fggp.pruning import saliency

        model, parameters = _network(beginning)
        if beginning.batches is None:
            raise _missing("synflow")
        first = next(iter(beginning.batches), None)
        if first is None:
            raise ValueError("synflow: batches is empty; give at least one pair (inputs, targets)")
        mask = _everything(parameters)
        for keep in counts(len(mask), beginning.keep, self.rounds):
            score = saliency.synflow(model, parameters, first[0], mask)
            mask = keep_largest(score, keep, mask)
        return _masks(mask, parameters)


def counts(total: int, keep: int, rounds: int) -> Iterator[int]:
    """Yield the weights left after each round, falling exponentially from ``total`` to ``keep``.

    The density (K/N)^(k/n) is rounded to 10⁻⁶; the last count is ``keep`` itself.
    """
    for done in range(1, rounds):
        density = rounded(float(Fraction(keep, total)) ** (done / rounds))
        yield max(keep, kept_count(total, 1 - density))
    yield keep


def _network(beginning: Beginning) -> tuple[nn.Module, Mapping[str, nn.Parameter]]:
    assert beginning.model is not None
    assert beginning.parameters is not None
    return beginning.model, beginning.parameters


def _missing(name: str) -> ValueError:
    return ValueError(
        f"{name} scores weights before training, on data: give "
        "Pruner(..., batches=[(inputs, targets)], loss=...)"
    )


def _seed(beginning: Beginning) -> int:
    return int(beginning.random.integers(2**63))


def _sizes(parameters: Mapping[str, nn.Parameter]) -> list[int]:
    return [p.numel() for p in parameters.values()]


def _everything(parameters: Mapping[str, nn.Parameter]) -> Tensor:
    import torch

    device = next(iter(parameters.values())).device
    return torch.ones(sum(_sizes(parameters)), dtype=torch.bool, device=device)


def _masks(kept: Tensor, parameters: Mapping[str, nn.Parameter]) -> list[Mask]:
    return [mask.numpy() for mask in kept.cpu().split_with_sizes(_sizes(parameters))]
