"""The network of a cell from any source: with weights, or as shapes alone to be measured.

PyTorch is imported only when a network is requested.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from fggp.foundation.errors import Failure
from fggp.models import build as build_own
from fggp.models import open_networks
from fggp.models.registry import find
from fggp.study.cell import Backbone

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE = 32
"""Default side of an image, in pixels."""
BATCH = 2
"""Images with which a network is measured: one is too few for batch normalization."""


@dataclass(frozen=True)
class Measures:
    """Measured properties of a network.

    Attributes:
        parameters: weights and biases.
        macs: multiply-accumulates of one image with all prunable weights.
        activations_mb: memory of one image in a training step: activations in fp32 that the
            backward pass reads.

    """

    parameters: int
    macs: int
    activations_mb: float


def build(backbone: Backbone, *, classes: int = 10, side: int = SIDE) -> nn.Module:
    """Return a network with fresh weights, ``(B, 3, side, side) → (B, classes)`` raw logits.

    Raises:
        KeyError: for an unknown network of the package.
        Failure: where a network from outside the package cannot be made; one line.

    """
    if backbone.source is None:
        return build_own(backbone.name, width=backbone.width, classes=classes)
    return open_networks.make(
        *(backbone.name, backbone.source),
        width=backbone.width,
        classes=classes,
        side=side,
        stem=backbone.stem,
    )


def shapes_alone(backbone: Backbone, *, classes: int = 10, side: int = SIDE) -> nn.Module:
    """Return a network like `build` on PyTorch's device ``meta``, without numbers.

    A network from outside the package that cannot be made there is made on the CPU, with random
    states unchanged.
    """
    import torch

    try:
        with torch.device("meta"):
            return build(backbone, classes=classes, side=side)
    except Failure:
        with torch.random.fork_rng(devices=[]):
            return build(backbone, classes=classes, side=side).to("meta")


def whole_planes_after(backbone: Backbone) -> str | None:
    """Return the child after which ``by_stage`` has whole planes; None for channels last."""
    return None if backbone.source else find(backbone.name).whole_planes_after


@cache
def measured(backbone: Backbone, side: int = SIDE) -> Measures | None:
    """Return the measures of a network with ten classes; None where it cannot be measured."""
    from fggp.pruning.filters.positions import output_positions
    from fggp.pruning.prunable import prunable

    try:
        model = shapes_alone(backbone, side=side)
        positions = output_positions(model, (3, side, side))
        macs = sum(positions[name] * p.numel() for name, p in prunable(model).items())
        saved = _saved_bytes(model, side)
    except Exception:  # it may be external code
        return None
    parameters = sum(p.numel() for p in model.parameters())
    return Measures(parameters, macs, saved / BATCH / 1e6)


def _saved_bytes(model: nn.Module, side: int) -> int:
    """Return the bytes that the backward pass of a batch reads, without the weights."""
    import torch

    own = {p.untyped_storage()._cdata for p in model.parameters()}
    saved: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            saved.setdefault(storage._cdata, tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model.train()(torch.empty(BATCH, 3, side, side, device="meta")).sum()
    del loss
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
