"""Whether a network under its masks still leads from its input to its output."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def connected(model: nn.Module, masks: Mapping[str, Tensor], shape: Sequence[int]) -> bool:
    """Whether a path of kept weights leads from any input to any output.

    On a copy in float64, every kept weight is one over its layer's inputs, every other one zero,
    normalisation does nothing and the image is all ones: what then arrives at the output is above
    zero exactly where a path is. Borders of padding count as they are, so that a kernel that only
    looks past the edge of a 1×1 map leads nowhere. Without a path the output is the same for every
    image, whatever values the weights, biases and statistics take.

    In a network where that is not so with all weights, as layer normalisation gives zeros for a
    constant image, no path can be said to be missing.

    Args:
        model: of convolutions, linear layers, batch normalisation, ReLU, pooling and sums.
        masks: bool, by the name of the parameter; parameters without one are whole.
        shape: of one image, without the batch.

    """
    return _leads(model, masks, shape) or not _leads(model, {}, shape)


def _leads(model: nn.Module, masks: Mapping[str, Tensor], shape: Sequence[int]) -> bool:
    shadow = copy.deepcopy(model).cpu().double().eval()
    for path, module in shadow.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            mask = masks.get(f"{path}.{name}" if path else name)
            parameter.fill_(0 if name == "bias" else 1)
            if mask is not None:
                parameter.copy_(mask)
            if parameter.ndim > 1:
                parameter.div_(parameter[0].numel())
        for name, buffer in module.named_buffers(recurse=False):
            buffer.fill_(1 if name == "running_var" else 0)
    return bool(shadow(torch.ones(1, *shape, dtype=torch.float64)).any())
