"""The parameters that are pruned, and vectors over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from fggp.foundation.validation import nearest
from fggp.pruning.timing import Method


@dataclass(frozen=True)
class Layer:
    """One prunable tensor: its name, shape, number of kept weights and number of all weights."""

    name: str
    shape: tuple[int, ...]
    kept: int
    total: int


def prunable(model: nn.Module, names: Sequence[str] | None = None) -> dict[str, nn.Parameter]:
    """Return the parameters to prune: those named, or all trainable ones of two dimensions or more.

    Names are those of the network itself where it is inside `torch.compile` or data parallel.

    Raises ValueError for a name that is not a parameter, is frozen or is cut into pieces, and where
    none is left.
    """
    if isinstance(names, str):
        raise ValueError(f"params: {names!r} is one name; give a list of names")
    model = unwrapped(model)
    parameters = dict(model.named_parameters())
    if names is None:
        names = [name for name, p in parameters.items() if p.ndim > 1 and p.requires_grad]
    names = _first(model, names)
    unknown = [name for name in names if name not in parameters]
    if unknown:
        hint = nearest(unknown[0], list(parameters))
        raise ValueError(f"params: the model has no parameter {unknown[0]!r}{hint}")
    frozen = [name for name in names if not parameters[name].requires_grad]
    if frozen:
        raise ValueError(f"params: {frozen[0]!r} is frozen; leave it out")
    cut = [name for name in names if hasattr(parameters[name], "device_mesh")]
    if cut:
        raise ValueError(
            f"params: {cut[0]!r} is cut into pieces, as by FSDP, and masks need whole tensors; "
            "use DistributedDataParallel"
        )
    if not names:
        raise ValueError("params: there is nothing to prune; name parameters of the model")
    return {name: p for name, p in parameters.items() if name in set(names)}


def _first(model: nn.Module, names: Sequence[str]) -> list[str]:
    """Return the names with that of a tied parameter replaced by its first one."""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    every = dict(model.named_parameters(remove_duplicate=False))
    return [first[id(every[name])] if name in every else name for name in names]


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile`, DistributedDataParallel and DataParallel."""
    while True:
        # Not by type, as importing the compiler takes seconds.
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def flat(tensors: Iterable[Tensor]) -> Tensor:
    """Concatenate tensors by their logical index, whatever their memory layout."""
    return torch.cat([tensor.detach().reshape(-1) for tensor in tensors])


def like(vector: Tensor, parameter: Tensor) -> Tensor:
    """Give a flat mask the shape, device and memory layout of a parameter."""
    mask = torch.empty_like(parameter, dtype=torch.bool)
    return mask.copy_(vector.view(parameter.shape))


def extremes(vector: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest number of a vector; NaN where it holds one."""
    least, most = torch.stack(vector.aminmax()).tolist()
    return least, most


def check_floor(method: Method, sizes: list[int], keep: int) -> None:
    """Raise ValueError where the floors of all layers keep more weights than the target K."""
    floors = sum(ceil(method.recipe.floor * size) for size in sizes)
    if floors > keep:
        raise ValueError(
            f"{method.name}: the floors of all layers keep {floors} weights, the target only "
            f"{keep}; the floor has to be below {float(1 - method.sparsity):.6g}"
        )
