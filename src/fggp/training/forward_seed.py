"""Random numbers that a network draws in its forward pass, as dropout does."""

from __future__ import annotations

import torch

from fggp.foundation.random_streams import stream


def seed_forward(seed: int, step: int) -> None:
    """Seed PyTorch's own generators, on every device, for one step of a training.

    The numbers that a network draws then depend only on the seed of the training and the step, so
    that a resumed training draws the same ones. Networks of this package draw nothing.

    Args:
        seed: seed of the training.
        step: number of steps before it.

    """
    torch.manual_seed(int(stream(seed, "forward", step).integers(2**63)))
