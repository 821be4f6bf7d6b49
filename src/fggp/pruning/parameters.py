"""The parameters that are pruned, and the network that has them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from torch import nn
from torch.optim.swa_utils import AveragedModel

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


def network_inside(model: nn.Module) -> nn.Module:
    """Return the network inside the wrappers of `unwrapped` and AveragedModel (EMA, SWA).

    For inference: a wrapper computes the same as the network inside.

    Raises:
        TypeError: for anything but a module.

    """
    while True:
        if not isinstance(model, nn.Module):
            raise TypeError(f"{model!r} is not a torch.nn.Module")
        inner = unwrapped(model)
        if not isinstance(inner, AveragedModel):
            return inner
        model = inner.module


def check_floor(method: Method, sizes: list[int], keep: int) -> None:
    """Raise ValueError if the floors of all layers keep more weights than the target K."""
    floors = sum(ceil(method.recipe.floor * size) for size in sizes)
    if floors > keep:
        raise ValueError(
            f"{method.name}: the floors of all layers keep {floors} weights, the target only "
            f"{keep}; the floor has to be below {float(1 - method.sparsity):.6g}"
        )
