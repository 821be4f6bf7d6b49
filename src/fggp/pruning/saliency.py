"""Scores of weights before training: the larger, the more a weight is worth keeping.

A score is one (N,) float64 vector over all prunable tensors in layer order; products are taken in
float64, where none underflows. Networks are called with copies of their buffers and gradients are
taken without ``.grad``, so that a model stays unchanged, bit for bit. Its random draws (dropout)
come from a seed, and the global generators are left unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from fggp.pruning.integer_masks import zeroed
from fggp.pruning.mask_update import Loss
from fggp.pruning.vectors import flat

NOISE = 1e-3
"""ε of Sung et al. 2024, the deviation of the noise added to weights."""
Parameters = Mapping[str, nn.Parameter]
Batches = Iterable[tuple[Tensor, Tensor]]


def snip(
    model: nn.Module, parameters: Parameters, batches: Batches, loss: Loss, *, seed: int
) -> Tensor:
    """Score by |g·w|, the gradient of the loss w.r.t. a gate on each weight (Lee et al. 2019).

    Args:
        model: the network, called in training mode.
        parameters: its prunable tensors, in layer order.
        batches: pairs of inputs and targets; g is the mean of their gradients, each in proportion
            to its number of targets.
        loss: function of outputs and targets, a mean over the targets.
        seed: seed of the random draws of the network.

    Raises:
        ValueError: if there is no batch, or if the scores are not finite or all zero.

    """
    own = list(parameters.values())
    slope, seen = _zeros(own), 0
    with apart(model, seed, training=True) as outputs:
        for x, y in batches:
            value = loss(outputs(x.to(own[0].device)), y.to(own[0].device))
            _add(slope, torch.autograd.grad(value, own, materialize_grads=True), len(y))
            seen += len(y)
    _check_seen("snip", seen)
    return _checked("snip", _products(own, slope).abs() / seen)


def grasp(
    model: nn.Module,
    parameters: Parameters,
    batches: Batches,
    loss: Loss,
    *,
    temperature: float,
    seed: int,
) -> Tensor:
    """Score by w·(Hg): without the weights of small score the gradient norm falls least.

    The paper's score is −w·(Hg), and the largest are removed (Wang et al. 2020). Here the sign is
    reversed, so that the largest are kept as everywhere else. g and H are those of the loss of the
    outputs divided by a temperature, on each half of each batch, summed in proportion to their
    sizes.

    Args:
        model: the network, called in training mode.
        parameters: its prunable tensors, in layer order.
        batches: pairs of inputs and targets, each used twice.
        loss: function of outputs and targets, a mean over the targets.
        temperature: above 0.
        seed: seed of the random draws of the network.

    Raises:
        ValueError: if there is no batch, or if the scores are not finite or all zero.

    """
    own = list(parameters.values())
    halves = list(_halves(batches))
    seen = sum(len(y) for _, y in halves)
    _check_seen("grasp", seen)
    slope, curvature = _zeros(own), _zeros(own)
    # Fused attention has no second derivative.
    with apart(model, seed, training=True) as outputs, sdpa_kernel(SDPBackend.MATH):

        def gradient(x: Tensor, y: Tensor, *, again: bool) -> Sequence[Tensor]:
            logits = outputs(x.to(own[0].device)) / temperature
            value = loss(logits, y.to(own[0].device))
            return torch.autograd.grad(value, own, create_graph=again, materialize_grads=True)

        for x, y in halves:
            _add(slope, gradient(x, y, again=False), len(y) / seen)
        for x, y in halves:
            along = [
                (constant * part).sum()
                for constant, part in zip(slope, gradient(x, y, again=True), strict=True)
            ]
            product = torch.autograd.grad(torch.stack(along).sum(), own, materialize_grads=True)
            _add(curvature, product, len(y) / seen)
    return _checked("grasp", _products(own, curvature))


def synflow(model: nn.Module, parameters: Parameters, inputs: Tensor, mask: Tensor) -> Tensor:
    """Score by |w|·∂R/∂|w|, with R the sum of outputs for an input of ones (Tanaka et al. 2020).

    The network is called in evaluation mode and in float64, with the magnitudes of all parameters
    and buffers in place of their values: R is the sum, over all paths from input to output, of the
    products of the weights on them, and a score is the share of R that flows through a weight.

    Args:
        model: the network; its outputs are raw, and nothing in it subtracts.
        parameters: its prunable tensors, in layer order.
        inputs: a batch, of which only the shape is used.
        mask: (N,) bool, the existing weights; the others count as zero and score zero.

    Raises:
        ValueError: if the inputs are not floating-point numbers, the flow overflows float64, an
            output is negative, or no flow arrives although all weights exist.

    """
    if not inputs.is_floating_point():
        raise ValueError(
            f"synflow feeds ones into the network, which takes inputs of {inputs.dtype}; "
            "use another method"
        )
    tensors = {
        name: tensor.detach().abs().double() if tensor.is_floating_point() else tensor.clone()
        for name, tensor in (*model.named_parameters(), *model.named_buffers())
    }
    cut = mask.split_with_sizes([p.numel() for p in parameters.values()])
    weights = {
        name: zeroed(tensors[name], marked.view(parameter.shape)).requires_grad_()
        for (name, parameter), marked in zip(parameters.items(), cut, strict=True)
    }
    ones = torch.ones((1, *inputs.shape[1:]), dtype=torch.float64, device=mask.device)
    with apart(model, 0, training=False, tensors=tensors | weights) as outputs:
        output = outputs(ones)
        flow = output.sum()
        slope = torch.autograd.grad(flow, list(weights.values()), materialize_grads=True)
    score = _products(weights.values(), slope).abs()
    if not bool(flow.isfinite()) or not bool(score.isfinite().all()):
        raise ValueError(
            "synflow: the flow through the network is not finite, even in float64; "
            "use another method"
        )
    if bool((output < 0).any()):
        raise ValueError(
            "synflow: with positive weights and inputs an output is negative; the network has to "
            "give raw outputs, not log_softmax, and normalize by running statistics"
        )
    if bool(mask.all()) and not bool(score.sum() > 1e-9 * flow):
        raise ValueError("synflow: no flow goes through the prunable weights; use another method")
    return score


def zeroth_order(
    model: nn.Module,
    parameters: Parameters,
    batches: Batches,
    loss: Loss,
    *,
    draws: int,
    seed: int,
) -> list[float]:
    """Score layers by |L(w + εz) − L(w − εz)| / 2ε with Gaussian z in the layer (Sung et al. 2024).

    Args:
        model: the network, called in evaluation mode.
        parameters: its prunable tensors, in layer order.
        batches: pairs of inputs and targets; L is the mean over all of them.
        loss: function of outputs and targets, a mean over the targets.
        draws: number of draws of z for each layer; the score is the mean over them.
        seed: seed of z, which is drawn on the CPU.

    Returns:
        A score for each tensor.

    Raises:
        ValueError: if there is no batch, or if the scores are not finite or all zero.

    """
    pairs = list(batches)
    _check_seen("ecoflap", sum(len(y) for _, y in pairs))
    generator = torch.Generator().manual_seed(seed)
    found = []
    for name, parameter in parameters.items():
        total = 0.0
        for _ in range(draws):
            z = torch.randn(parameter.shape, generator=generator)
            step = NOISE * z.to(parameter.device, parameter.dtype)
            ends = [
                _mean_loss(model, pairs, loss, {name: parameter.detach() + sign * step})
                for sign in (1, -1)
            ]
            total += abs(ends[0] - ends[1]) / (2 * NOISE)
        found.append(total / draws)
    _checked("ecoflap", torch.tensor(found))
    return found


def _mean_loss(
    model: nn.Module,
    batches: Sequence[tuple[Tensor, Tensor]],
    loss: Loss,
    tensors: Mapping[str, Tensor],
) -> float:
    """Return the loss over batches in evaluation mode, with some tensors replaced."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    total, seen = 0.0, 0
    whole = buffers | dict(tensors)
    with apart(model, 0, training=False, tensors=whole) as outputs, torch.no_grad():
        for x, y in batches:
            device = next(iter(tensors.values())).device
            total += float(loss(outputs(x.to(device)), y.to(device))) * len(y)
            seen += len(y)
    return total / seen


@contextmanager
def apart(
    model: nn.Module,
    seed: int,
    *,
    training: bool,
    tensors: Mapping[str, Tensor] | None = None,
) -> Iterator[Callable[[Tensor], Tensor]]:
    """Give a way to call a model that changes neither the model nor the global generators.

    Args:
        model: the network.
        seed: seed of its random draws.
        training: whether it is called in training mode.
        tensors: tensors that replace its parameters and buffers in the call; without them, its
            parameters and copies of its buffers are used.

    """
    if tensors is None:
        tensors = {name: buffer.clone() for name, buffer in model.named_buffers()}
    modes = [(module, module.training) for module in model.modules()]
    devices = {p.device for p in model.parameters() if p.device.type not in {"cpu", "meta", "mps"}}
    kind = next((device.type for device in devices), "cpu")
    with torch.random.fork_rng(devices, device_type=kind), torch.enable_grad():
        # torch.manual_seed would seed devices whose state is not kept here.
        torch.default_generator.manual_seed(seed)
        accelerator: Any = torch.get_device_module(kind)
        for device in devices:
            with accelerator.device(device):
                accelerator.manual_seed(seed)
        try:
            model.train(training)
            yield lambda x: functional_call(model, dict(tensors), (x,))
        finally:
            for module, mode in modes:
                module.training = mode


def _halves(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    for x, y in batches:
        half = len(y) // 2
        yield from ((a, b) for a, b in ((x[:half], y[:half]), (x[half:], y[half:])) if len(b))


def _zeros(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [torch.zeros_like(tensor) for tensor in tensors]


def _add(to: Sequence[Tensor], parts: Sequence[Tensor], weight: float) -> None:
    for total, part in zip(to, parts, strict=True):
        total.add_(part.detach(), alpha=weight)


def _products(tensors: Iterable[Tensor], others: Iterable[Tensor]) -> Tensor:
    pairs = zip(tensors, others, strict=True)
    return flat(a.detach().double() * b.double() for a, b in pairs)


def _check_seen(name: str, seen: int) -> None:
    if not seen:
        raise ValueError(f"{name}: batches is empty; give at least one pair (inputs, targets)")


def _checked(name: str, score: Tensor) -> Tensor:
    if not bool(score.isfinite().all()):
        raise ValueError(f"{name}: scores are not finite; look for a loss that overflows")
    if not bool(score.any()):
        raise ValueError(f"{name}: all scores are zero; the loss does not see a prunable weight")
    return score
