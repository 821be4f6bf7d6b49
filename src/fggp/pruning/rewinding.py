"""Going back to an early state of a training, for methods that train in rounds."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn


class Rewinding:
    """A snapshot of a network and its optimizer, first taken at construction.

    Args:
        model: the network.
        optimizer: what trains it.

    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.model, self.optimizer = model, optimizer
        self.keep()

    def keep(self) -> None:
        """Keep the present state in place of the one before."""
        parts = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        self.kept: dict[str, Any] = copy.deepcopy(parts)

    def restore(self) -> None:
        """Go back to the kept state; learning rates stay, their schedule is the loop's."""
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.model.load_state_dict(self.kept["model"])
        # The optimizer would take the tensors themselves over.
        self.optimizer.load_state_dict(copy.deepcopy(self.kept["optimizer"]))
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
