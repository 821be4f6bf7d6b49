"""Masks of networks at full width: random ERK ones, and random ones with the shares of trainings.

Trained masks keep the early layers, which have many pixels, and so cost about twice the
multiplications of ERK at 98 %. The shares of trained VGG-19s are those of `gmp` in the shipped
study mini-folder, whose networks are narrow. All are scaled by one factor, up to a share of 1, to
the number of weights that the full network keeps. No such study has a ResNet-50; its stages take
the shares of the VGG-19 stages with the same number of pixels.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import fmean

import torch
from torch import nn

from fggp.fast.packed import read
from fggp.foundation.exact import kept_count
from fggp.models import build
from fggp.pruning.distributions import erk
from fggp.pruning.prunable import prunable

SHIPPED = Path(__file__).parents[2] / "results/reference/mini-folder/runs/vgg19"
WEIGHTS = Path(__file__).parents[2] / "results"


def pruned(name: str, kind: str, percent: int, width: Fraction) -> nn.Module:
    """Return a network in evaluation mode, with a mask and batch norm statistics of noise.

    Args:
        name: ``vgg19`` or ``resnet50``.
        kind: ``ERK`` or ``trained-like``.
        percent: percentage of its weights that are pruned.
        width: width factor of the network.

    """
    torch.manual_seed(0)
    model = build(name, width=width)
    layers = prunable(model)
    shapes = [tuple(it.shape) for it in layers.values()]
    keep = kept_count(sum(it.numel() for it in layers.values()), Fraction(percent, 100))
    if kind == "ERK":
        counts = erk(shapes, keep)
    else:
        counts = _scaled([(it.numel(), _share(key, percent)) for key, it in layers.items()], keep)
    with torch.no_grad():
        for weight, count in zip(layers.values(), counts, strict=True):
            weight.view(-1)[torch.randperm(weight.numel())[count:]] = 0
    return calibrated(model)


def calibrated(model: nn.Module) -> nn.Module:
    """Give batch norms random factors and the statistics of noise."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            module.momentum = None
    with torch.no_grad():
        model.train()(torch.randn(16, 3, 32, 32))
    return model.eval()


def own(name: str, width: Fraction) -> Iterator[tuple[str, nn.Module]]:
    """Yield a few trained networks of full width from ``results``, with their names."""
    full = sum(it.numel() for it in build(name, width=width).parameters())
    for path in sorted(WEIGHTS.glob(f"*/runs/{name}/s*/*/*/seed1.weights.fggp"))[:20]:
        model = read(path)
        if sum(it.numel() for it in model.parameters()) == full:
            yield "/".join(path.parts[-6:-1]), model


def _share(layer: str, percent: int) -> float:
    """Return the share of a layer that trained networks keep."""
    shares = _shares(percent)
    if layer in shares:
        return shares[layer]
    part = layer.split(".", maxsplit=1)[0]
    if part == "classifier":
        return shares["classifier.weight"]
    stage = part[-1] if part.startswith("stage") else "1"
    return fmean(it for key, it in shares.items() if key.startswith(f"conv{stage}_"))


def _shares(percent: int) -> dict[str, float]:
    """Return the mean share of each layer of the shipped trainings."""
    found: dict[str, list[float]] = {}
    for path in SHIPPED.glob(f"s{percent}/*/gmp/*.json"):
        for layer in json.loads(path.read_text())["outcome"]["layers"]:
            total = torch.Size(layer["shape"]).numel()
            found.setdefault(layer["name"], []).append(layer["kept"] / total)
    return {name: fmean(shares) for name, shares in found.items()}


def _scaled(layers: list[tuple[int, float]], keep: int) -> list[int]:
    """Return the counts of layers: shares times one factor, at most 1, with the sum ``keep``."""
    low, high = 0.0, 1e6
    for _ in range(100):
        factor = (low + high) / 2
        total = sum(size * min(1.0, factor * share) for size, share in layers)
        low, high = (factor, high) if total < keep else (low, factor)
    return [round(size * min(1.0, low * share)) for size, share in layers]
