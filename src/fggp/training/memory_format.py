"""The memory layout of weights and activations, which affects only the last bits of outputs."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Layout = Literal["contiguous", "channels_last", "by_stage"]


def channels_last(layout: Layout) -> bool:
    """Whether the images for a network have their channels last."""
    return layout != "contiguous"


def arrange(model: nn.Module, layout: Layout, whole_planes_after: str | None) -> nn.Module:
    """Return a network, changed in place, with its weights in a layout.

    ``by_stage`` has channels last up to the child ``whole_planes_after``, and whole planes after
    it, which are faster on a CPU with many channels and few pixels. None is channels last
    throughout.
    """
    if layout == "contiguous":
        return model
    model.to(memory_format=torch.channels_last)
    if layout == "by_stage" and whole_planes_after is not None:
        children = dict(model.named_children())
        children[whole_planes_after].register_forward_hook(_whole_planes)
        behind = list(children).index(whole_planes_after) + 1
        for module in list(children.values())[behind:]:
            module.to(memory_format=torch.contiguous_format)
    return model


def _whole_planes(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
    return output.contiguous()
