"""At how many output positions a weight is used: its multiply-accumulates for one image."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def output_positions(model: nn.Module, shape: Sequence[int]) -> dict[str, int]:
    """Return at how many output positions each weight of a convolution or linear layer is used.

    Counted on a copy without numbers, or where the network needs some, on a copy on the CPU:
    weights, statistics and random states stay as they are.

    Args:
        model: the network.
        shape: of one image, without the batch, e.g. (3, 32, 32).

    Returns:
        Positions by name of the weight, such as 1024 for a 3×3 convolution of 32×32 pixels.

    """
    try:
        return _counted(copy.deepcopy(model).to("meta").eval(), shape, "meta")
    except (NotImplementedError, RuntimeError, TypeError):
        if any(p.is_meta for p in model.parameters()):
            raise
        with torch.random.fork_rng(devices=[]):
            return _counted(copy.deepcopy(model).cpu().eval(), shape, "cpu")


def _counted(shadow: nn.Module, shape: Sequence[int], device: str) -> dict[str, int]:
    names = {module: f"{name}.weight" for name, module in shadow.named_modules()}
    positions: Counter[str] = Counter()

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        channel = 1 if isinstance(module, nn.Conv2d) else -1
        positions[names[module]] += output.numel() // output.shape[channel]

    for module in names:
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    shadow(torch.zeros(1, *shape, device=device))
    return dict(positions)
