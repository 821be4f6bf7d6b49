"""The optimizer of a training."""

from __future__ import annotations

import torch
from torch import nn

from fggp.study.cell import Training


def optimizer_of(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Return SGD with the settings of a training, for all parameters of a network.

    It is the fused version, which leaves ``.grad`` as the backward pass wrote it.
    """
    return torch.optim.SGD(
        model.parameters(),
        lr=float(training.lr),
        momentum=float(training.momentum),
        nesterov=training.nesterov,
        weight_decay=float(training.weight_decay),
        fused=True,
    )
