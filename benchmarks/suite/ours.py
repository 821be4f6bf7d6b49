"""Shared parts of our measurements: arithmetic of a training, a state, and a pruner in it."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor, nn

from fggp.methods import find
from fggp.models import build
from fggp.pruning.prunable import prunable
from fggp.pruning.pruner import Pruner
from fggp.pruning.timing import Method, Timing
from fggp.pruning.topk import keep_largest
from fggp.pruning.vectors import flat
from fggp.study.cell import Training
from fggp.training.malloc import keep_freed_memory
from fggp.training.torch_settings import arithmetic

FULL, NARROW = Fraction(1), Fraction(1, 16)
LONG = 10**6
HELD = ExitStack()
"""The settings of a process until it ends: an unreferenced context would exit at once."""
atexit.register(HELD.close)


def as_trained(threads: int | None = None, precision: str = "fp32") -> None:
    """Set memory, determinism and precision permanently, as in the training of a cell."""
    keep_freed_memory()
    training = {"threads": threads or torch.get_num_threads(), "precision": precision}
    HELD.enter_context(arithmetic(Training.model_validate(training)))


def sgd(model: nn.Module, *, fused: bool = False) -> torch.optim.Optimizer:
    """Return the optimizer of every training, with torch's defaults unless ``fused``."""
    return torch.optim.SGD(
        model.parameters(),
        lr=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=5e-4,
        fused=fused or None,
    )


@dataclass(frozen=True)
class State:
    """A network in the middle of a training, the same for every contender.

    Attributes:
        density: share of active weights, by magnitude over all layers; the others are zero, with
            zero momentum.
        tied: whether weights and gradients are rounded to eight bits, so that many are equal.
        tiny: whether the network has a sixteenth of the width.

    """

    density: Fraction = Fraction(1)
    tied: bool = False
    tiny: bool = False

    def fill(self, model: nn.Module) -> list[Tensor]:
        """Fill a VGG-19 with weights and gradients; return its masks, one per weight tensor."""
        torch.manual_seed(0)
        own = weights_of(model)
        with torch.no_grad():
            for p in own:
                p.copy_(self._rounded(torch.randn(p.shape) * (2 / p[0].numel()) ** 0.5))
                p.grad = self._rounded(torch.randn(p.shape) / p.numel() ** 0.5)
            every = flat(own)
            keep = int(self.density * len(every))
            mask = keep_largest(every.abs(), keep, torch.ones_like(every, dtype=torch.bool))
            parts = mask.split_with_sizes([p.numel() for p in own])
            masks = [part.view(p.shape) for part, p in zip(parts, own, strict=True)]
            for p, part in zip(own, masks, strict=True):
                p.mul_(part)
        return masks

    def _rounded(self, values: Tensor) -> Tensor:
        return values.bfloat16().float() if self.tied else values

    def network(self) -> nn.Module:
        """Return a VGG-19 as we build it: 20 024 000 weights at full width."""
        return build("vgg19", width=NARROW if self.tiny else FULL)


def weights_of(model: nn.Module) -> list[nn.Parameter]:
    """Return the prunable parameters of any network."""
    return list(prunable(model).values())


def give_momentum(optimizer: torch.optim.Optimizer, own: Sequence[Tensor]) -> None:
    """Give the optimizer momentum buffers of zeros, as in its first step."""
    for p in own:
        optimizer.state[p]["momentum_buffer"] = torch.zeros_like(p)


class Ours:
    """Our pruner on a state, at the first of many steps.

    Args:
        state: the state before every run.
        method: name of one of our methods.
        keep: share of the weights after the update; None if no update is due.
        device: device of the pruner; the state is made on the CPU.
        settings: settings of the method.

    """

    def __init__(
        self,
        state: State,
        method: str,
        keep: Fraction | None,
        device: str = "cpu",
        **settings: Any,
    ) -> None:
        as_trained()
        self.state = state
        model = state.network()
        self.masks = [mask.to(device) for mask in state.fill(model)]
        model.to(device)
        self.own: list[Tensor] = list(weights_of(model))
        self.weights = [p.detach().clone() for p in self.own]
        self.gradients = [p.grad for p in self.own]
        self.optimizer = sgd(model, fused=True)
        give_momentum(self.optimizer, self.own)
        recipe = find(method).recipe(**settings)
        density = keep or state.density
        timing = Timing(LONG, 0, *((1, 1) if keep else (LONG, LONG)))
        # The window is one update long, so that it keeps the target.
        sparsity = Fraction(1) - density
        start = sparsity if find(method).starts == "one" else min(sparsity, 1 - state.density)
        timed = Method.of(method, recipe, sparsity, start, timing)
        self.pruner = Pruner(model, self.optimizer, timed)
        self.begin: dict[str, Any] = self.pruner.state_dict() | {
            "masks": dict(zip(self.pruner.masks, self.masks, strict=True))
        }
        self.reset()

    def reset(self) -> None:
        """Restore the state."""
        self.pruner.load_state_dict(self.begin)
        with torch.no_grad():
            torch._foreach_copy_(self.own, self.weights)
        for p, gradient in zip(self.own, self.gradients, strict=True):
            p.grad = gradient
