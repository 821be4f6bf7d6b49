"""Scores of filters in a trained network: the larger, the more a channel is worth keeping.

A score gives ``(channels,)`` float64 numbers for each group. A residual stream has several
convolutions that write to it: the score of a channel is the sum over them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import pi, sqrt
from typing import TYPE_CHECKING, Any

from fggp.pruning.mask_update import Loss

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from fggp.pruning.filters.groups import Group


@dataclass(frozen=True)
class Judged:
    """The inputs of filter scores.

    Attributes:
        model: the network, trained.
        groups: groups of its channels.
        random: the random stream of initial masks.
        batches: pairs of inputs and targets; empty if there are none.
        loss: function of outputs and targets, or None.

    """

    model: nn.Module
    groups: Sequence[Group]
    random: np.random.Generator
    batches: Sequence[tuple[Tensor, Tensor]] = ()
    loss: Loss | None = None

    def rows(self, group: Group) -> Iterator[Tensor]:
        """Yield the filters of each convolution of a group, ``(channels, weights)`` float64."""
        for name in group.producers:
            module: Any = self.model.get_submodule(name)
            yield module.weight.detach().double().flatten(1)

    def norms(self, group: Group, method: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield scale γ and shift β of each batch normalization of a group, float64.

        Raises ValueError if a group has none, or one without scale and shift.
        """
        if not group.norms:
            raise ValueError(
                f"{method} scores by batch normalization, which {group.producers[0]} does not "
                "have; use another method"
            )
        for it in group.norms:
            module: Any = self.model.get_submodule(it.name)
            if module.weight is None:
                raise ValueError(f"{method}: {it.name} has no scale; use another method")
            weight: Tensor = module.weight
            shift = weight.new_zeros(len(weight)) if module.bias is None else module.bias
            yield (
                weight.detach().double().view(-1, it.repeat),
                shift.detach().double().view(-1, it.repeat),
            )

    def data(self, method: str) -> Sequence[tuple[Tensor, Tensor]]:
        """Return the batches; raises ValueError if there are none."""
        if not self.batches:
            raise ValueError(
                f"{method} scores filters on data: give "
                "Pruner(..., batches=[(inputs, targets)], loss=...)"
            )
        return self.batches


FilterScore = Callable[[Judged], "list[Tensor]"]


def l1(judged: Judged) -> list[Tensor]:
    """Score by the sum of |w| of a filter (Li et al. 2017)."""
    return [_sum(rows.abs().sum(1) for rows in judged.rows(it)) for it in judged.groups]


def l2(judged: Judged) -> list[Tensor]:
    """Score by the Euclidean norm of a filter."""
    return [_sum(rows.norm(dim=1) for rows in judged.rows(it)) for it in judged.groups]


def geometric_median(judged: Judged) -> list[Tensor]:
    """Score by the sum of distances to the other filters of the layer (He et al. 2019)."""
    return [_sum(_distances(rows) for rows in judged.rows(it)) for it in judged.groups]


def _distances(rows: Tensor) -> Tensor:
    import torch

    # Not by products, which lose the difference between nearly equal filters.
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(rows, rows, compute_mode=mode).sum(1)


def activation(judged: Judged) -> list[Tensor]:
    """Score by the mean of ReLU behind batch normalization, assuming a normal input."""
    return [
        _sum(mean_of_relu(*pair).sum(1) for pair in judged.norms(it, "bn-filter"))
        for it in judged.groups
    ]


def mean_of_relu(gamma: Tensor, beta: Tensor) -> Tensor:
    """Return E max(0, γz + β) = βΦ(β/|γ|) + |γ|φ(β/|γ|) for z from N(0, 1)."""
    import torch

    size = gamma.abs()
    ratio = beta / size.where(size > 0, 1.0)
    normal = torch.exp(-(ratio**2) / 2) / sqrt(2 * pi)
    found: Tensor = beta * torch.special.ndtr(ratio) + size * normal
    return found.where(size > 0, beta.clamp(min=0))


def random_channels(judged: Judged) -> list[Tensor]:
    """Score at random, drawn on the CPU so that a seed gives the same scores on every device."""
    import torch

    device = next(judged.model.parameters()).device
    drawn = [judged.random.random(it.channels).astype("float32") for it in judged.groups]
    return [torch.from_numpy(it).to(device).double() for it in drawn]


def taylor(judged: Judged) -> list[Tensor]:
    """Score by (∂L/∂z)², z a gate of the channel behind its batch normalization; mean of batches.

    ∂L/∂z is γ·g_γ + β·g_β, so that no gate is needed (Molchanov et al. 2019). Without batch
    normalization the gate is behind the convolution: Σw·g over the filter and its bias.
    """
    import torch

    from fggp.pruning.saliency import apart

    if judged.loss is None:
        judged.data("taylor-filter")
        raise ValueError("taylor-filter scores by the loss: give Pruner(..., loss=...)")
    layers = [[*_gates(judged.model, group)] for group in judged.groups]
    own = _with_gradient(judged.model, [name for it in layers for _, names in it for name in names])
    device = next(iter(own.values())).device
    scores = [torch.zeros(it.channels, dtype=torch.float64, device=device) for it in judged.groups]
    batches = judged.data("taylor-filter")
    for x, y in batches:
        buffers = {name: buffer.clone() for name, buffer in judged.model.named_buffers()}
        with apart(judged.model, _seed(judged), training=True, tensors=buffers | own) as outputs:
            value = judged.loss(outputs(x.to(device)), y.to(device))
            slopes = dict(zip(own, torch.autograd.grad(value, list(own.values())), strict=True))
        for score, found in zip(scores, layers, strict=True):
            for repeat, names in found:
                slope = _sum(_gate(own[name], slopes[name], repeat) for name in names)
                score.add_(slope**2, alpha=1 / len(batches))
    return scores


def _gates(model: nn.Module, group: Group) -> Iterator[tuple[int, list[str]]]:
    """Yield the parameters of each layer that a channel's gate would multiply, and its repeat."""
    places = [(it.name, it.repeat) for it in group.norms] or [(it, 1) for it in group.producers]
    for layer, repeat in places:
        module: Any = model.get_submodule(layer)
        names = [it for it in ("weight", "bias") if getattr(module, it) is not None]
        if not names:
            raise ValueError(f"taylor-filter: {layer} has no scale; use another method")
        yield repeat, [f"{layer}.{it}" for it in names]


def _with_gradient(model: nn.Module, names: Sequence[str]) -> dict[str, Tensor]:
    """Return parameters by name; in place of frozen ones, tensors that require a gradient."""
    parameters = {name: model.get_parameter(name) for name in names}
    # One tensor for each parameter, since a layer may share it with another one.
    tensors = {
        id(p): p if p.requires_grad else p.detach().requires_grad_() for p in parameters.values()
    }
    return {name: tensors[id(p)] for name, p in parameters.items()}


def _gate(parameter: Tensor, slope: Tensor, repeat: int) -> Tensor:
    """Return w·g, summed over a filter, or over the positions of a channel."""
    products = parameter.detach().double() * slope.double()
    return products.flatten(1).sum(1) if products.ndim > 1 else products.view(-1, repeat).sum(1)


def rank(judged: Judged) -> list[Tensor]:
    """Score by the mean rank of a channel's map behind batch normalization and ReLU (HRank).

    The map is that of each batch normalization of the group, or of its convolution where it has
    none, through a ReLU; the network is called in evaluation mode. The rank of a feature is 1 where
    it is above zero.
    """
    import torch

    from fggp.pruning.saliency import apart

    batches = judged.data("hrank")
    names = {
        name: index
        for index, it in enumerate(judged.groups)
        for name in ([norm.name for norm in it.norms] or it.producers)
    }
    weight = next(judged.model.parameters())
    scores = [torch.zeros(it.channels, dtype=torch.float64, device=weight.device)
              for it in judged.groups]  # fmt: skip
    total = sum(len(x) for x, _ in batches)

    def see(index: int) -> Callable[[Any, Any, Tensor], None]:
        def add(module: Any, _inputs: Any, output: Tensor) -> None:
            maps = _maps(module, output.detach(), judged.groups[index].channels).relu().double()
            scores[index] += torch.linalg.matrix_rank(maps).sum(0) / total

        return add

    handles = [
        judged.model.get_submodule(name).register_forward_hook(see(index))
        for name, index in names.items()
    ]
    try:
        with apart(judged.model, _seed(judged), training=False) as outputs, torch.no_grad():
            for x, _ in batches:
                outputs(x.to(weight.device))
    finally:
        for handle in handles:
            handle.remove()
    return scores


def _maps(module: nn.Module, output: Tensor, channels: int) -> Tensor:
    """Return the maps of channels, ``(N, channels, rows, columns)``; of features, one column."""
    from torch import nn

    planes = output.movedim(-1, 1) if isinstance(module, nn.Linear) else output
    columns = planes.shape[-1] if planes.ndim > 2 else 1
    return planes.reshape(len(planes), channels, -1, columns)


def relevance(judged: Judged) -> list[Tensor]:
    """Score by Σ|R|, the relevance of a channel for the true classes (Yeom et al. 2021)."""
    from fggp.pruning.filters.relevance import relevances

    device = next(judged.model.parameters()).device
    layers = [name for it in judged.groups for name in it.producers]
    found = [
        relevances(judged.model, x.to(device), y.to(device), layers) for x, y in judged.data("lrp")
    ]
    return [
        _sum(by_name[name] for by_name in found for name in it.producers) for it in judged.groups
    ]


def _seed(judged: Judged) -> int:
    return int(judged.random.integers(2**63))


def _sum(parts: Iterator[Tensor]) -> Tensor:
    first = next(parts)
    for part in parts:
        first = first + part
    return first
