"""Random numbers that a network draws in its forward pass, as dropout does."""

from __future__ import annotations

import torch

from fggp.foundation.random_streams import stream


def seed_forward(seed: int, step: int) -> None:
    """Seed PyTorch's own generators, of every device, for one step of a training.

    What a network draws then depends on the seed of the training and the step alone, so that a
    resumed training draws the same. Networks of this package draw nothing.

    Args:
        seed: of the training.
        step: the steps before it.

    """
    torch.manual_seed(int(stream(seed, "forward", step).integers(2**63)))
