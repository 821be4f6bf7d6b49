"""The other tools, each set to given masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from suite.work import LeftOut


def modules_of(model: nn.Module) -> list[nn.Module]:
    """Return the convolutions and linear layers."""
    return [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]


def torch_prune(model: nn.Module, masks: Sequence[Tensor]) -> list[nn.Module]:
    """Put masks into a network with torch.nn.utils.prune; return the masked modules."""
    from torch.nn.utils import prune

    modules = modules_of(model)
    for module, mask in zip(modules, masks, strict=True):
        prune.custom_from_mask(module, "weight", mask)  # type: ignore[no-untyped-call]
    return modules


def torch_ao(model: nn.Module, masks: Sequence[Tensor]) -> list[nn.Module]:
    """Put masks into a network with torch.ao.pruning; return the masked modules."""
    try:
        from torch.ao.pruning import WeightNormSparsifier  # type: ignore[attr-defined]
    except ImportError:
        raise LeftOut("not in this version of torch") from None
    modules = modules_of(model)
    names = {module: name for name, module in model.named_modules()}
    sparsifier: Any = WeightNormSparsifier()
    sparsifier.prepare(model, [{"tensor_fqn": f"{names[module]}.weight"} for module in modules])
    for module, mask in zip(modules, masks, strict=True):
        parametrization: Any = module.parametrizations.weight[0]  # type: ignore[union-attr,index]
        parametrization.mask.copy_(mask)
    return modules


def rigl_torch(model: nn.Module, optimizer: torch.optim.Optimizer, masks: Sequence[Tensor]) -> Any:
    """Put masks into a network with rigl-torch 0.5.2; return its scheduler, at its first step."""
    try:
        from rigl_torch.RigL import RigLScheduler
    except ImportError:
        raise LeftOut("not installed; see benchmarks/README.md") from None
    scheduler = RigLScheduler(
        model,
        optimizer,
        dense_allocation=0.5,
        T_end=10**6,
        delta=10**5,
        alpha=0.5,
        ignore_linear_layers=False,
    )
    # It never prunes the first layer.
    scheduler.backward_masks = [None, *(mask.clone() for mask in masks[1:])]
    return scheduler
