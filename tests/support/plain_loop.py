"""The plain loop that every other loop has to equal, and what holds after each of its steps."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import fggp
from fggp.pruning.timing import Method, Timing

NAMES = ("gmp", "granet", "rigl", "fggp")
TIMING = Timing(steps=24, begin=0, end=12, every=3)
START, TARGET = Fraction(1, 2), Fraction(9, 10)
RNG = np.random.default_rng(5)
BATCHES = [
    (torch.from_numpy(RNG.normal(size=(8, 3, 6, 6))), torch.from_numpy(RNG.integers(0, 5, 8)))
    for _ in range(TIMING.steps)
]

Optimizer = Callable[[nn.Module], torch.optim.Optimizer]


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    """A network that takes every image by itself, so that batches can be cut."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 6, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(96, 12),
            nn.ReLU(),
            nn.Linear(12, 5),
        )
    return model.to(dtype)


TOTAL = 6 * 27 + 96 * 12 + 12 * 5


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=0.01)


def method(name: str, **settings: Any) -> Method:
    if fggp.METHODS[name].starts == "both":
        settings["initial_sparsity"] = START
    return fggp.method(name, sparsity=TARGET, steps=TIMING.steps, timing=TIMING, **settings)


class Loop:
    """A model, its optimizer and its pruner, taken through the batches by a plain loop."""

    def __init__(
        self,
        name: str,
        optimizer: Optimizer = sgd,
        dtype: torch.dtype = torch.float32,
        *,
        attach: bool = False,
    ) -> None:
        self.model, self.dtype = network(dtype), dtype
        self.optimizer = optimizer(self.model)
        self.pruner = fggp.Pruner(self.model, self.optimizer, method(name))
        self.handle = self.pruner.attach() if attach else None
        self.update = 0

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.model(x.to(self.dtype)), y)

    def after(self) -> int | None:
        """Step the pruner after the optimizer, where it does not by itself, and check it."""
        made = (
            self.pruner.step()
            if self.handle is None
            else self.pruner.method.update_at(self.pruner.steps)
        )
        self.update = made or self.update
        check(self.pruner, self.update)
        return made

    def step(self, x: Tensor, y: Tensor) -> int | None:
        self.loss(x, y).backward()
        self.optimizer.step()
        made = self.after()
        self.optimizer.zero_grad()
        return made

    def run(self, batches: list[tuple[Tensor, Tensor]] = BATCHES) -> "Loop":
        for x, y in batches:
            self.step(x, y)
        return self

    @property
    def mask(self) -> Tensor:
        return flat(self.pruner.masks.values())

    def tensors(self) -> list[Tensor]:
        """Everything that a training leaves behind."""
        state = self.optimizer.state
        buffers = [b for p in self.model.parameters() for b in state[p].values()]
        found = [*self.model.parameters(), *buffers, *self.pruner.masks.values()]
        return [tensor.detach() for tensor in found if isinstance(tensor, Tensor)]


def flat(tensors: Any) -> Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


def same_bits(one: Loop, other: Loop) -> bool:
    pairs = zip(one.tensors(), other.tensors(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def kept(name: str, update: int, total: int = TOTAL) -> int:
    """Return the number of weights that an update leaves, by the formulas of the papers."""
    left = 1 - min(Fraction(update, 4), Fraction(1))
    start = START if fggp.METHODS[name].starts == "both" else TARGET
    return total - floor(total * (TARGET + (start - TARGET) * left**3) + Fraction(1, 2))


def check(pruner: fggp.Pruner, update: int) -> None:
    """Counts are those of the last update; off the masks there is nothing but zeros."""
    counts = [int(mask.sum()) for mask in pruner.masks.values()]
    assert sum(counts) == kept(pruner.method.name, update, pruner.total), pruner.steps
    for tensor, mask in masked(pruner):
        assert not tensor[~mask].any(), pruner.steps
    assert flat(pruner.parameters.values()).any()


def masked(pruner: fggp.Pruner) -> Iterator[tuple[Tensor, Tensor]]:
    """Each prunable weight and each buffer that the optimizer keeps of it, with the mask."""
    for name, parameter in pruner.parameters.items():
        yield parameter.detach(), pruner.masks[name]
        for buffer in pruner.optimizer.state[parameter].values():
            if isinstance(buffer, Tensor) and buffer.shape == parameter.shape:
                yield buffer, pruner.masks[name]
