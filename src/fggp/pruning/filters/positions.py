"""The number of output positions of a weight: its multiply-accumulates for one image."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def output_positions(model: nn.Module, shape: Sequence[int]) -> dict[str, int]:
    """Return the number of output positions of each convolution or linear layer's weight.

    They are counted on a copy without values, or if the network needs values, on a copy on the CPU:
    weights, statistics and random states stay unchanged.

    Args:
        model: the network.
        shape: shape of one image, without the batch, e.g. (3, 32, 32).

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
