"""Channels that have one value for every input, such as those of an empty filter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fggp.pruning.filters.groups import Layout
from fggp.pruning.filters.walk import Step

UNKNOWN = float("nan")
DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


@torch.no_grad()
def constants(layout: Layout, live: Mapping[str, Tensor]) -> list[list[Tensor | None]]:
    """Return the constant value of each channel that a step reads, float64; NaN where it varies.

    Values are those at the time of reading: a later step may overwrite them in place. In evaluation
    mode a batch normalization turns a constant into another one. In training mode, and at borders
    of padding, only zeros are followed. The result of a module with hooks, which may change it, is
    taken to vary.

    Args:
        layout: layout of the network.
        live: ``(outputs, inputs)`` bool by module, False where all weights between two are zero.

    Returns:
        For each step and each of its sources ``(channels,)``, None if channels are not followed
        (inputs of the network, and steps after added channels of zeros).

    """
    read: list[list[Tensor | None]] = []
    found: list[Tensor | None] = []
    memory: list[int] = []  # steps with equal numbers share their storage
    for place, step in enumerate(layout.steps):
        sources = [found[it] for it in step.sources]
        read.append(sources)
        value = _value(step, sources, live)
        if value is not None and _hooked(step):
            value = torch.full_like(value, UNKNOWN)
        shares = step.in_place or step.kind == "flatten" or _passes(step)
        memory.append(memory[step.sources[0]] if shares and step.sources else place)
        found.append(value)
        if step.in_place:
            for earlier in range(place):
                if memory[earlier] == memory[place] and earlier != place:
                    found[earlier] = value
    return read


def _value(step: Step, sources: list[Tensor | None], live: Mapping[str, Tensor]) -> Tensor | None:
    if step.kind == "weights":
        return _through_weights(step.module, sources[0], live[step.name])
    known = [it for it in sources if it is not None]
    if not known or len(known) < len(sources) or step.kind == "pad":
        return None
    first, other = known[0], known[-1]
    if step.kind == "norm":
        return _through_norm(step.module, first)
    if step.kind == "sum":
        return first + other
    if step.kind == "product":
        return (first * other).where((first != 0) & (other != 0), 0.0)
    return first if step.kind == "flatten" or _passes(step) else _pointwise(step, first)


def _hooked(step: Step) -> bool:
    module: Any = step.module
    return module is not None and bool(module._forward_hooks or module._forward_pre_hooks)


def _passes(step: Step) -> bool:
    """Whether a step returns its input: an identity, or dropout in evaluation mode."""
    if isinstance(step.module, DROPOUTS):
        return not step.module.training
    return isinstance(step.module, nn.Identity)


def _pointwise(step: Step, source: Tensor) -> Tensor:
    """Return the result of a function of constants, or of pooling, whose padding may count."""
    if step.kind == "pool" or isinstance(step.module, DROPOUTS):
        return source.where(source == 0, UNKNOWN)
    # Without hooks, and on a copy.
    function: Callable[[Tensor], Tensor] = step.function or step.module.forward
    value = function(source.clone())
    return value.where(~source.isnan(), UNKNOWN)


def _through_weights(module: Any, source: Tensor | None, live: Tensor) -> Tensor:
    """Return the bias of each filter that sees only zeros, unknown for others."""
    if source is not None:
        repeat = live.shape[1] // len(source)
        live = live & (source != 0).repeat_interleave(repeat)
    bias = module.bias
    constant = (
        torch.zeros(len(live), dtype=torch.float64, device=live.device)
        if bias is None
        else bias.detach().double()
    )
    return constant.where(~live.any(1), UNKNOWN)


def _through_norm(module: nn.modules.batchnorm._BatchNorm, source: Tensor) -> Tensor:
    if module.training or module.running_mean is None or module.running_var is None:
        return torch.full_like(source, UNKNOWN)
    if len(source) != module.num_features:  # features of several positions
        return torch.full_like(source, UNKNOWN)
    scale, shift = (
        None if it is None else it.detach().double() for it in (module.weight, module.bias)
    )
    mean, variance = module.running_mean.double(), module.running_var.double()
    return functional.batch_norm(
        source[None], mean, variance, scale, shift, training=False, eps=module.eps
    )[0]
