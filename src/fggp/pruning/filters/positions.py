"""The number of output positions of a weight: its multiply-accumulates for one image."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

Kinds = tuple[type[nn.Module], ...]
CONVOLUTIONS: Kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LAYERS: Kinds = (*CONVOLUTIONS, nn.Linear)
OF_STUDIES: Kinds = (nn.Conv2d, nn.Linear)
"""The layers of networks of studies, in which others are refused."""


@torch.no_grad()
def output_positions(
    model: nn.Module, shape: Sequence[int], kinds: Kinds = OF_STUDIES
) -> dict[str, int]:
    """Return the number of output positions of each convolution or linear layer's weight.

    Those of layers that share a weight are added, under its first name.

    They are counted on a copy without values, or if the network needs values, on a copy on the CPU:
    weights, statistics and random states stay unchanged.

    Args:
        model: the network.
        shape: shape of one image, without the batch, e.g. (3, 32, 32).
        kinds: layers to count, of `LAYERS`.

    Returns:
        Positions by name of the weight, such as 1024 for a 3×3 convolution of 32×32 pixels.

    """
    first: dict[int, str] = {}
    names = [
        first.setdefault(id(module._parameters.get("weight", module)), f"{name}.weight")
        for name, module in model.named_modules()
    ]
    dtype = next((p.dtype for p in model.parameters() if p.is_floating_point()), None)
    image = torch.zeros(1, *shape, dtype=dtype)
    try:
        return _counted(copy.deepcopy(model).to("meta"), image.to("meta"), kinds, names)
    except (NotImplementedError, RuntimeError, TypeError):
        if any(p.is_meta for p in model.parameters()):
            raise
        with torch.random.fork_rng(devices=[]):
            return _counted(copy.deepcopy(model).cpu(), image.cpu(), kinds, names)


def _counted(
    shadow: nn.Module, image: Tensor, kinds: Kinds, weights: Sequence[str]
) -> dict[str, int]:
    names = dict(zip(shadow.modules(), weights, strict=True))
    positions: Counter[str] = Counter()

    def count(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        channel = 1 if isinstance(module, CONVOLUTIONS) else -1
        positions[names[module]] += output.numel() // output.shape[channel]

    for module in names:
        if isinstance(module, kinds):
            module.register_forward_hook(count)
    shadow.eval()(image)
    return dict(positions)
