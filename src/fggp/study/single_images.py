"""Check whether a network can train on a batch of one image; imports PyTorch."""

from __future__ import annotations

from functools import cache

from fggp.foundation.errors import Failure
from fggp.study.cell import Backbone
from fggp.study.networks import shapes_alone


@cache
def trains_on_one_image(backbone: Backbone, side: int) -> bool:
    """Whether a network can take a training step on one square image of this side.

    Batch normalization cannot if it sees one value of each channel, since that has no variance. The
    network is tried on PyTorch's device ``meta``, which computes shapes alone; one that cannot be
    tried there is assumed to be able to.
    """
    import torch

    try:
        model = shapes_alone(backbone, side=side).train()
        model(torch.empty(1, 3, side, side, device="meta"))
    except ValueError as error:
        return "more than 1 value per channel" not in str(error)
    except (Failure, NotImplementedError, RuntimeError, TypeError):
        pass
    return True
