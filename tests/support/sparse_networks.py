"""Pruned networks with batch norm that has seen data, and how far outputs are from float64."""

import copy
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn

from fggp.models import build
from fggp.pruning.filters.groups import groups


def prune(model: nn.Module, density: float, seed: int = 0) -> nn.Module:
    """Keep a random share of each layer, and give batch norms statistics that are not 0 and 1."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight *= torch.rand(module.weight.shape, generator=random) < density
                if density:
                    module.weight /= density**0.5
            if isinstance(module, nn.BatchNorm2d):
                if module.affine:
                    module.weight.uniform_(0.5, 1.5, generator=random)
                    module.bias.normal_(0, 0.3, generator=random)
                module.running_mean.normal_(0, 0.3, generator=random)
                module.running_var.uniform_(0.5, 1.5, generator=random)
    return model.eval()


def backbone(name: str, width: str = "1/8", density: float = 0.1) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return prune(build(name, width=Fraction(width)), density)


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@torch.no_grad()
def exact(model: nn.Module, batch: Tensor) -> Tensor:
    """Return the output in float64."""
    return copy.deepcopy(model).double()(batch.double())


def error(found: Tensor, wanted: Tensor) -> float:
    """Return the largest difference, as a share of the largest output."""
    assert found.shape == wanted.shape
    largest = float(wanted.abs().max()) if wanted.numel() else 0
    if not largest:
        return float(found.abs().sum())
    return float((found.double() - wanted).abs().max()) / largest


@torch.no_grad()
def assert_as_good_as_torch(found: Tensor, model: nn.Module, batch: Tensor) -> None:
    """Assert that outputs are about as close to float64 as those of torch."""
    wanted = exact(model, batch)
    assert error(found, wanted) <= 1.5 * error(model(batch), wanted) + 1e-6


def without_channels(model: nn.Module, share: float = 0.5, seed: int = 0) -> dict[str, Tensor]:
    """Return masks without a random share of the channels of each group, rows and columns."""
    random = torch.Generator().manual_seed(seed)
    masks = {
        name: torch.ones_like(p, dtype=torch.bool)
        for name, p in model.named_parameters()
        if p.ndim > 1
    }
    for group in groups(model):
        gone = torch.randperm(group.channels, generator=random)[: int(share * group.channels)]
        for name in group.producers:
            masks[f"{name}.weight"][gone] = False
        for it in group.consumers:
            mask = masks[f"{it.name}.weight"]
            mask.view(len(mask), group.channels, -1)[:, gone] = False
    return masks
