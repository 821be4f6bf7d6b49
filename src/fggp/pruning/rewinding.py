"""Rewinding to an early state of a training, for methods that train in rounds."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from fggp.pruning.optimizers import Nest, groups_of
from fggp.pruning.vectors import flat


class Rewinding:
    """A snapshot of a network and its optimizer, first taken at construction.

    Args:
        model: the network.
        nest: the optimizers that train it.

    """

    def __init__(self, model: nn.Module, nest: Nest) -> None:
        self.model, self._nest = model, nest
        self.keep()

    def keep(self) -> None:
        """Keep the current state in place of the previous one."""
        # The state of a wrapper may leave out those of the inner optimizers, or its own.
        first, *others = [each.state_dict() for each in reversed(self._nest.every)]
        parts = {"model": self.model.state_dict(), "optimizer": first, "others": others}
        self.kept: dict[str, Any] = copy.deepcopy(parts)

    def load(self, kept: dict[str, Any]) -> None:
        """Take over a saved state, of the same network with or without a wrapper around it."""
        names = {name.replace("_orig_mod.", ""): name for name in kept["model"]}
        own = self.model.state_dict()
        if not names.keys() <= own.keys():  # DistributedDataParallel, DataParallel
            names = {name.removeprefix("module."): names[name] for name in names}
        model = {name: kept["model"][saved] for name, saved in names.items()}
        self.kept = {**kept, "model": model}

    def flat(self, parameters: Iterable[nn.Parameter]) -> Tensor:
        """Return the kept values of parameters of the network, (N,) in their order."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        return flat(self.kept["model"][names[id(p)]].to(p.device) for p in parameters)

    def restore(self) -> None:
        """Restore the kept state, except learning rates, whose schedule is that of the loop.

        Settings that a schedule has added to parameter groups since then stay.
        """
        groups = [dict(group) for group in groups_of(self._nest.every)]
        self.model.load_state_dict(self.kept["model"])
        # The optimizers would take over the tensors themselves.
        states = copy.deepcopy([self.kept["optimizer"], *self.kept.get("others", [])])
        for each, state in zip(reversed(self._nest.every), states, strict=True):
            each.load_state_dict(state)
        for group, before in zip(groups_of(self._nest.every), groups, strict=True):
            for name, value in before.items():
                group.setdefault(name, value)
            if before.get("lr") is not None:
                group["lr"] = before["lr"]
