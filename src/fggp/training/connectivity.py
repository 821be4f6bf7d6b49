"""Connectivity of a masked network, from its input to its output."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


@torch.no_grad()
def connected(model: nn.Module, masks: Mapping[str, Tensor], shape: Sequence[int]) -> bool:
    """Whether a path of kept weights leads from any input to any output.

    On a copy in float64, every kept weight is set to one over its layer's inputs, every other
    weight to zero, normalization does nothing and the image is all ones. An output is then above
    zero exactly if a path leads to it. Padding is kept, so that a kernel that only covers positions
    past the edge of a 1×1 map leads nowhere. Without a path, the output is the same for every
    image, whatever the values of the weights, biases and statistics.

    If this fails even with all weights, as with layer normalization, which gives zeros for a
    constant image, the network counts as connected.

    Args:
        model: network of convolutions, linear layers, batch normalization, ReLU, pooling and sums.
        masks: bool masks by parameter name; parameters without a mask are whole.
        shape: shape of one image, without the batch.

    """
    return _leads(model, masks, shape) or not _leads(model, {}, shape)


def _leads(model: nn.Module, masks: Mapping[str, Tensor], shape: Sequence[int]) -> bool:
    shadow = copy.deepcopy(model).cpu().double().eval()
    # One that layers share comes once, by its first name, as in the masks.
    for name, parameter in shadow.named_parameters():
        parameter.fill_(0 if name.rpartition(".")[2] == "bias" else 1)
        if name in masks:
            parameter.copy_(masks[name])
        if parameter.ndim > 1:
            parameter.div_(parameter[0].numel())
    for name, buffer in shadow.named_buffers():
        buffer.fill_(1 if name.rpartition(".")[2] == "running_var" else 0)
    return bool(shadow(torch.ones(1, *shape, dtype=torch.float64)).any())
