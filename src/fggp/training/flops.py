"""Theoretical work of a training under its masks, in multiply-accumulates of two FLOPs each.

A kept weight costs one multiply-accumulate (MAC) per image at every output position of its layer,
including borders with padding. With f the sum over the kept weights and F the sum over all weights,

    training = Σ over steps of images · 3·f + Σ over gradient steps of images · (F − f).

The three f of a step are the forward pass, the gradient of the activations and the gradient of the
weights. If a mask update reads the dense gradient, its step needs the gradient of all weights, so
that it amounts to 2·f + F (Evci et al. 2020, arXiv 1911.11134, appendix on FLOPs). In that paper,
such a step does not change the weights; here it is an ordinary step of the optimizer.

Not counted: biases, batch normalization, ReLU, pooling, the loss, the optimizer, the choice of the
masks, and evaluations. The activation gradient of the first layer is counted, though nothing uses
it. The hardware does more work: dense kernels, like those here, multiply zeros as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fggp.pruning.mask_update import Read, Update, read_by
from fggp.pruning.rules import Rule, grows


class Work:
    """Counts the multiply-accumulates of a training while its masks change, exactly.

    Nothing is read back from the device before the end.

    Args:
        positions: output positions of each prunable layer.
        masks: initial masks, in the same order.
        gradient_steps: number of steps whose gradients a mask update reads.

    """

    def __init__(
        self, positions: Sequence[int], masks: Sequence[Tensor], gradient_steps: int = 1
    ) -> None:
        self.positions = list(positions)
        self.gradient_steps = gradient_steps
        self._sizes = [mask.numel() for mask in masks]
        self._kept = counts(masks)
        self._all = torch.tensor(self._sizes, device=self._kept.device)
        # Per layer, over all images: weights that were kept, and others that got a gradient.
        self._used, self._rest = torch.zeros_like(self._kept), torch.zeros_like(self._kept)
        self._recent: list[int] = []
        self._soft = False

    def step(self, images: int, leak: float | None = None) -> None:
        """Count one training step of ``images`` images under the current masks.

        With soft masking, all weights get a gradient, and pruned weights of which the network
        sees a share other than 0 (``leak``) are multiplied as well.
        """
        self._used.add_(self._kept, alpha=images)
        self._soft = leak is not None
        if self._soft:
            self._rest.add_(self._all - self._kept, alpha=images if leak == 0 else 3 * images)
        self._recent = [*self._recent, images][-self.gradient_steps :]

    def update(self, masks: Sequence[Tensor], *, read_gradient: bool) -> None:
        """Set new masks, made after the last step with or without its dense gradient."""
        if read_gradient and not self._soft:
            self._rest.add_(self._all - self._kept, alpha=sum(self._recent))
        self._recent = []
        self._kept = counts(masks)

    @property
    def dense(self) -> int:
        """The sum F, for one image and all weights."""
        return sum(p * n for p, n in zip(self.positions, self._sizes, strict=True))

    @property
    def inference(self) -> int:
        """The sum f, for one image under the current masks."""
        return sum(p * n for p, n in zip(self.positions, self._kept.tolist(), strict=True))

    @property
    def training(self) -> int:
        """All steps so far, by the formula above."""
        columns = self.positions, self._used.tolist(), self._rest.tolist()
        return sum(p * (3 * used + rest) for p, used, rest in zip(*columns, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return the state needed to resume."""
        return {
            "kept": self._kept,
            "used": self._used,
            "rest": self._rest,
            "recent": self._recent,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from `state_dict`."""
        self._kept.copy_(state["kept"])
        self._used.copy_(state["used"])
        self._rest.copy_(state["rest"])
        self._recent = state["recent"]


class Watch:
    """A rule that wraps another and records whether that rule read the gradient.

    Args:
        rule: wrapped rule; its reads of `fggp.pruning.mask_update.Update.gradient` are noticed.

    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.read_gradient = False

    @property
    def grows(self) -> bool:
        """Whether the rule may return pruned weights."""
        return grows(self.rule)

    @property
    def reads(self) -> frozenset[Read]:
        """The parts of the forward pass that the rule reads."""
        return read_by(self.rule)

    def __call__(self, update: Update) -> Update:
        """Return the update after the rule."""
        self.read_gradient = False
        return self.rule(_Watched(**vars(update), tell=self._tell))

    def _tell(self) -> None:
        self.read_gradient = True


@dataclass(frozen=True)
class _Watched(Update):
    """An update that reports when its gradient is read; so do parts and copies of it."""

    tell: Callable[[], None] = lambda: None

    @property
    def gradient(self) -> Tensor:
        self.tell()
        return super().gradient


def counts(masks: Sequence[Tensor]) -> Tensor:
    """Return the number of true entries of each mask, ``(layers,)`` int64, on their device."""
    return torch.stack([mask.count_nonzero() for mask in masks])
