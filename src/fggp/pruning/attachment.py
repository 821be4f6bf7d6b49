"""Calling a pruner after every step of an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle


class Attachment:
    """A hook that an optimizer calls after each of its steps.

    Args:
        optimizer: calls it.
        stepped: called after a step that was made.
        skipped: called after a step that a gradient scaler told a fused optimizer to skip.

    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        stepped: Callable[[], object],
        skipped: Callable[[], object],
    ) -> None:
        self._optimizer, self._stepped, self._skipped = optimizer, stepped, skipped

    def attach(self) -> RemovableHandle:
        """Begin; returns the handle that ends it. Raises RuntimeError where it has begun."""
        self.check_detached()
        return self._optimizer.register_step_post_hook(self._after)

    def check_detached(self) -> None:
        """Raise RuntimeError while the optimizer calls the hook."""
        # Asks the optimizer, as a copy of it loses its hooks and a handle may be gone.
        if self._after in self._optimizer._optimizer_step_post_hooks.values():
            raise RuntimeError(
                "the pruner is attached and steps by itself: leave pruner.step() out, "
                "or call remove() on the handle that attach() returned"
            )

    def _after(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        # A fused optimizer is called by the gradient scaler even for a step to skip.
        if getattr(optimizer, "found_inf", False):
            self._skipped()
        else:
            self._stepped()
