"""Check whether a network can train on a batch of one image; imports PyTorch."""

from __future__ import annotations

from fractions import Fraction
from functools import cache


@cache
def trains_on_one_image(name: str, width: Fraction, side: int) -> bool:
    """Whether a network can take a training step on one square image of this side.

    Batch normalization cannot where it sees one value of each channel, since that has no spread.
    The network is tried on PyTorch's device ``meta``, which computes shapes alone; one that cannot
    be tried there is taken for one that can.
    """
    import torch

    from fggp.models import build

    try:
        with torch.device("meta"):
            build(name, width=width).train()(torch.empty(1, 3, side, side))
    except ValueError as error:
        return "more than 1 value per channel" not in str(error)
    except (NotImplementedError, RuntimeError, TypeError):
        pass
    return True
