"""`shrink`: remove the channels that masks leave without effect."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fggp.foundation.validation import nearest
from fggp.pruning.filters.constants import constants
from fggp.pruning.filters.groups import Group, Layout, Member, layout
from fggp.pruning.parameters import network_inside

VECTORS = ("weight", "bias", "running_mean", "running_var")
"""The tensors of a batch normalization with one number per channel."""


@torch.no_grad()
def shrink(model: nn.Module, masks: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Return a smaller network that computes the same function as the masked one.

    It is an ordinary module of the same class with the same state_dict keys, whose tensors are
    smaller; the model stays as it is. A channel is removed if all weights that read it are zero.
    With masks of whole filters, these are exactly the removed ones; with masks of single weights,
    they are few. In evaluation mode, a channel that is zero for every input is removed too, such as
    after a ReLU where batch normalization turns an empty filter into a negative number. Both are
    exact: outputs differ only by the rounding of shorter sums, for finite inputs. At least one
    channel of each group stays.

    Args:
        model: network of convolutions, linear layers, batch normalization, pointwise functions,
            pooling, sums and products; see `fggp.pruning.filters.groups.groups`. It may be inside
            torch.compile, DataParallel or AveragedModel.
        masks: by parameter name, True or 1 where a weight is kept, as in `Pruner.masks`. Weights
            off the masks count as zero; by default only those that are zero do.

    Raises:
        UnknownNetworkError: a ValueError that names the unknown part of the model.
        ValueError: for a mask without a parameter, of another shape, or with other values.
        TypeError: for anything but a module.

    """
    smaller = _masked(network_inside(model), masks or {})
    found = layout(smaller)
    for group, channels in zip(found.groups, _live(found), strict=True):
        _cut(smaller, group, channels.nonzero().squeeze(1))
    return smaller


@torch.no_grad()
def live_channels(model: nn.Module, masks: Mapping[str, Tensor]) -> list[Tensor]:
    """Return which channels of each group `shrink` keeps, ``(channels,)`` bool.

    Args:
        model: the network.
        masks: as in `shrink`.

    """
    return _live(layout(_masked(network_inside(model), masks)))


def _live(found: Layout) -> list[Tensor]:
    """Return the channels of each group that have an effect; one of each group at least."""
    live = _connections(found)
    kept = [next(iter(live.values())).new_ones(group.channels) for group in found.groups]
    while True:
        seen = _read_values(found, constants(found, live))
        before = [it.clone() for it in kept]
        # From the end: a removed layer also removes the channels that only it reads.
        for group, channels in reversed(list(zip(found.groups, kept, strict=True))):
            channels.logical_and_(_needed(group, live, seen))
            if not channels.any():
                channels[0] = True  # a layer needs at least one channel
            _disconnect(group, channels, live)
        if all(torch.equal(a, b) for a, b in zip(before, kept, strict=True)):
            return kept


def _masked(model: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """Return a copy of a model with zeros off the masks."""
    checked = _checked(model, masks)
    model = copy.deepcopy(model)
    for name, mask in checked.items():
        parameter = model.get_parameter(name)
        parameter.copy_(parameter.where(mask.to(parameter.device), 0.0))
    return model


def _checked(model: nn.Module, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return masks as bool; refuse those that do not belong to the model or are not masks."""
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in parameters:
            raise ValueError(
                f"masks: the model has no parameter {name!r}{nearest(name, list(parameters))}"
            )
        if mask.shape != parameters[name].shape:
            raise ValueError(
                f"masks: {name} has the shape {tuple(parameters[name].shape)}, "
                f"its mask {tuple(mask.shape)}"
            )
        if mask.dtype != torch.bool and not bool(((mask == 0) | (mask == 1)).all()):
            raise ValueError(
                f"masks: the mask of {name} is {mask.dtype} with values other than 0 and 1; give a "
                "bool mask, such as mask.bool()"
            )
    return {name: mask.bool() for name, mask in masks.items()}


def _connections(found: Layout) -> dict[str, Tensor]:
    """Return ``(outputs, inputs)`` by module, True where a weight between the two is not zero."""
    live = {}
    for step in found.steps:
        if step.kind == "weights":
            nonzero = step.module.weight != 0
            live[step.name] = nonzero.flatten(2).any(2) if nonzero.ndim > 2 else nonzero
    return live


def _read_values(
    found: Layout, read: Sequence[Sequence[Tensor | None]]
) -> dict[str, list[Tensor | None]]:
    """Return the constant values that each layer reads, one tensor for each of its calls."""
    seen: dict[str, list[Tensor | None]] = {}
    for step, values in zip(found.steps, read, strict=True):
        if step.kind == "weights":
            seen.setdefault(step.name, []).append(values[0])
    return seen


def _needed(
    group: Group, live: Mapping[str, Tensor], seen: Mapping[str, Sequence[Tensor | None]]
) -> Tensor:
    """Return the channels that have an effect on a layer that reads them, in any of its calls."""
    needed = torch.zeros(group.channels, dtype=torch.bool, device=next(iter(live.values())).device)
    for it in group.consumers:
        read = live[it.name].any(0).view(group.channels, it.repeat).any(1)
        for value in seen[it.name]:
            needed |= read if value is None else read & (value != 0)
    return needed


def _disconnect(group: Group, channels: Tensor, live: Mapping[str, Tensor]) -> None:
    """Remove the connections that read or make a removed channel, in place."""
    for name in group.producers:
        live[name].logical_and_(channels[:, None])
    for it in group.consumers:
        live[it.name].logical_and_(channels.repeat_interleave(it.repeat))


def _cut(model: nn.Module, group: Group, kept: Tensor) -> None:
    """Keep some channels of a group in all its layers, in place."""
    for name in group.producers:
        module: Any = model.get_submodule(name)
        _select(module, "weight", kept, 0)
        _select(module, "bias", kept, 0)
        setattr(module, _count(module, "out"), len(kept))
    for it in group.norms:
        module = model.get_submodule(it.name)
        places = _places(it, kept)
        for name in VECTORS:
            _select(module, name, places, 0)
        module.num_features = len(places)
    for it in group.consumers:
        module = model.get_submodule(it.name)
        places = _places(it, kept)
        _select(module, "weight", places, 1)
        setattr(module, _count(module, "in"), len(places))


def _places(member: Member, kept: Tensor) -> Tensor:
    """Return the indices in a member that belong to channels."""
    offsets = torch.arange(member.repeat, device=kept.device)
    return (kept[:, None] * member.repeat + offsets).reshape(-1)


def _count(module: nn.Module, side: str) -> str:
    return f"{side}_{'features' if isinstance(module, nn.Linear) else 'channels'}"


def _select(module: nn.Module, name: str, places: Tensor, dimension: int) -> None:
    """Keep some places of a parameter or buffer along a dimension; one that is None stays so."""
    tensor = getattr(module, name)
    if tensor is None:
        return
    part = tensor.detach().index_select(dimension, places.to(tensor.device))
    if part.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        part = part.contiguous(memory_format=torch.channels_last)
    if isinstance(tensor, nn.Parameter):
        part = nn.Parameter(part, requires_grad=tensor.requires_grad)
    setattr(module, name, part)
