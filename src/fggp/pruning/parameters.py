"""The parameters that are pruned, and vectors over all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor, nn

from fggp.pruning.timing import Method


@dataclass(frozen=True)
class Layer:
    """One prunable tensor: its name, shape, number of kept weights and number of all weights."""

    name: str
    shape: tuple[int, ...]
    kept: int
    total: int


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


def inmost(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Return the optimizer inside those that hold another, which have its state but no hooks."""
    inner = getattr(optimizer, "optimizer", None)
    return inmost(inner) if isinstance(inner, torch.optim.Optimizer) else optimizer


def hooked(optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Return the outermost of nested optimizers whose ``step`` calls hooks."""
    inner = getattr(optimizer, "optimizer", None)
    calls = getattr(type(optimizer).step, "hooked", False)
    if (calls and "_optimizer_step_pre_hooks" in vars(optimizer)) or not isinstance(
        inner, torch.optim.Optimizer
    ):
        return optimizer
    return hooked(inner)


def check_optimizer(optimizer: torch.optim.Optimizer, parameters: dict[str, nn.Parameter]) -> None:
    """Raise ValueError where the optimizer does not train one of the parameters."""
    owned = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in parameters.items():
        if id(parameter) not in owned:
            raise ValueError(f"the optimizer does not train {name}; leave it out through params=")


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
