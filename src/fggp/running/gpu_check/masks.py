"""Compare the masks of a device with the CPU's, at full size, in a separate process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

from fggp.methods.registry import method
from fggp.pruning.pruner import Pruner
from fggp.pruning.timing import Timing
from fggp.running.gpu_check.asking import answer
from fggp.study.cell import Backbone
from fggp.study.networks import build
from fggp.training.device import choose_device

METHODS = ("gmp", "granet", "rigl", "fggp")
UPDATES = 3
STARTS = (0, Fraction(1, 2))
SPARSITY = Fraction(9, 10)


def compared(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Compare masks of a device with the CPU's, update by update.

    Args:
        asked: ``device``, and ``backbone`` as in a cell.

    Returns:
        ``updates``, the number compared, and ``different``, the number of differing entries by
        method and start; those without a difference are left out.

    """
    device, _ = choose_device(asked["device"])
    backbone = Backbone.model_validate(asked["backbone"])
    updates, different = 0, {}
    for name in METHODS:
        for start in STARTS if name != "rigl" else STARTS[:1]:
            here = masks(name, start, backbone, torch.device("cpu"))
            there = masks(name, start, backbone, device)
            wrong = 0
            for one, other in zip(here, there, strict=True):
                wrong += int((one != other.cpu()).count_nonzero())
                updates += 1
            if wrong:
                different[f"{name} from {float(start):g}"] = wrong
    return {"updates": updates, "different": different}


def masks(
    name: str, start: Fraction | int, backbone: Backbone, device: torch.device
) -> Iterator[Tensor]:
    """Yield all masks of a network as one vector (N,) after each update of a method.

    Weights and gradients are drawn on the CPU, rounded so that many are equal, and do not change:
    the optimizer's rate is 0, so that devices differ in nothing but the selection.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        model = build(backbone)
        for parameter in model.parameters():
            parameter.data = torch.randn(parameter.shape).bfloat16().float()
            parameter.grad = torch.randn(parameter.shape).bfloat16().float()
        model.to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0, momentum=0.9)
    timing = Timing(10 * UPDATES, 0, UPDATES, 1)
    timed = method(
        name,
        sparsity=SPARSITY,
        steps=10 * UPDATES,
        initial_sparsity=start,
        timing=timing,
    )
    pruner = Pruner(model, optimizer, timed)
    for _ in range(UPDATES):
        optimizer.step()
        pruner.step()
        yield torch.cat([mask.flatten() for mask in pruner.masks.values()])


if __name__ == "__main__":
    answer(compared)
