"""A tiny network with a batch for it: large enough for every rule, small enough for every test."""

import numpy as np
import torch
from torch import nn

from fggp.methods import METHODS
from fggp.pruning.timing import Timing

SIZES = (6 * 27, 8 * 54, 40)
TOTAL = sum(SIZES)
IMAGES = torch.from_numpy(np.random.default_rng(0).normal(size=(8, 3, 6, 6)).astype(np.float32))
LABELS = torch.arange(8) % 5


def network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 6, 3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 8, 3, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 5),
        )


def in_time(name: str, timing: Timing) -> dict[str, int]:
    """Settings of a method with a period of its own, which may be longer than a window of tests."""
    return {"period": timing.every} if "period" in METHODS[name].settings.model_fields else {}
