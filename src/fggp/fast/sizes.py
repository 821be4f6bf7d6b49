"""Resize the tensors of a network to those of smaller weights, so that these can be loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from fggp.pruning.filters.groups import Group, groups
from fggp.pruning.filters.walk import UnknownNetworkError

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def resize(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network the channel numbers of a state_dict of `shrink`, in place, without loading it.

    Raises UnknownNetworkError, a ValueError, if the network cannot have these sizes.
    """
    before = groups(model)
    free = {name for it in before for name in it.producers}
    for name, module in model.named_modules():
        new = weights.get(f"{name}.weight")
        if not isinstance(module, LAYERS) or name in free or new is None:
            continue
        if len(new) != len(module.weight):
            raise UnknownNetworkError(
                f"{name}: {len(new)} outputs, of which the network has {len(module.weight)}"
            )
    for name, module in model.named_modules():
        for key in [*module._parameters, *module._buffers]:
            new = weights.get(f"{name}.{key}" if name else key)
            old = getattr(module, key)
            if new is not None and old is not None and new.shape != old.shape:
                if new.ndim != old.ndim or new.shape[2:] != old.shape[2:]:
                    raise UnknownNetworkError(
                        f"{name}.{key}: has the shape {tuple(new.shape)}, and "
                        f"{tuple(old.shape)} in the network"
                    )
                part: Any = old.detach().new_empty(new.shape)
                if isinstance(old, nn.Parameter):
                    part = nn.Parameter(part, requires_grad=old.requires_grad)
                setattr(module, key, part)
        _count(module)
    if [*map(_members, groups(model))] != [*map(_members, before)]:
        raise UnknownNetworkError("the channels of these weights do not fit each other")


def _members(group: Group) -> Group:
    """Return a group without the number of its channels."""
    return Group(0, group.producers, group.norms, group.consumers)


def _count(module: Any) -> None:
    """Set the numbers of channels that a module keeps in addition to its weight."""
    weight = module._parameters.get("weight")
    if isinstance(module, nn.Linear):
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, LAYERS):
        module.out_channels, module.in_channels = weight.shape[:2]
    elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        known = (*module._parameters.values(), *module._buffers.values())
        lengths = [len(it) for it in known if it is not None and it.ndim == 1]
        module.num_features = lengths[0] if lengths else module.num_features
