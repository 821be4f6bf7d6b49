"""Optimizers that hold others, or keep their state in unusual ways, without a library."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

LABELS = torch.arange(64) % 4
INPUTS = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 4))


def backward(model: nn.Module) -> None:
    nn.functional.cross_entropy(model(INPUTS), LABELS).backward()


def sgd(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9)


class Sam(torch.optim.Optimizer):
    """Sharpness-aware minimization in its usual form: two half steps, called by the loop."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {})
        self.base_optimizer = sgd(self.param_groups)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["old"] = p.clone()
                p.add_(p.grad, alpha=0.05)
        self.zero_grad()

    @torch.no_grad()
    def second_step(self) -> None:
        for p, state in self.state.items():
            p.copy_(state["old"])
        self.base_optimizer.step()


class Lookahead(torch.optim.Optimizer):
    """Copies slow weights over the fast ones after every second step, under any name."""

    def __init__(self, optimizer: torch.optim.Optimizer, name: str = "_fast") -> None:
        self._name, self.steps = name, 0  # super().__init__() is not called, as in the libraries
        self._optimizer_step_pre_hooks: dict[int, Any] = OrderedDict()
        self._optimizer_step_post_hooks: dict[int, Any] = OrderedDict()
        setattr(self, name, optimizer)
        self.defaults: dict[str, Any] = {}
        self.param_groups, self.state = optimizer.param_groups, {}  # type: ignore[assignment]
        self.slow = [[p.detach().clone() for p in g["params"]] for g in self.param_groups]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        loss = getattr(self, self._name).step(closure)
        self.steps += 1
        for group, slow in zip(self.param_groups, self.slow, strict=True):
            for p, s in zip(group["params"], slow, strict=True) if self.steps % 2 == 0 else ():
                s.lerp_(p, 0.5)
                p.copy_(s)
        return loss


class Accumulating:
    """Is no optimizer of torch, and makes a step at every second call only."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.inner, self.calls = [optimizer], 0
        self.param_groups = optimizer.param_groups

    def step(self) -> None:
        self.calls += 1
        if self.calls % 2 == 0:
            self.inner[0].step()

    def zero_grad(self) -> None:
        if self.calls % 2 == 0:
            self.inner[0].zero_grad()


class MasterCopies:
    """Trains copies of the parameters, as wrappers for half precision do."""

    def __init__(self, parameters: Any) -> None:
        self.own = list(parameters)
        self.param_groups = [{"params": self.own}]
        self.copies = [nn.Parameter(p.detach().clone()) for p in self.own]
        self.optimizer = sgd(self.copies)

    def step(self) -> None:
        for p, copy in zip(self.own, self.copies, strict=True):
            copy.grad = p.grad
        self.optimizer.step()


class Overwriting(torch.optim.SGD):
    """Works in ``.grad``, as schedule-free optimizers and LARS do."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for p in group["params"]:
                p.grad.mul_(torch.linspace(-1, 1, p.numel()).view_as(p))
        return super().step(closure)


class ScheduleFree(torch.optim.SGD):
    """Has other weights for evaluation."""

    def train(self) -> None: ...

    def eval(self) -> None: ...


class Coded(torch.optim.Optimizer):
    """Keeps momentum as codes of eight bits, of which 127 means zero."""

    table = "qmap1"

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            if not state:
                state["state1"] = torch.full_like(p, 127, dtype=torch.uint8)
                state[self.table] = torch.arange(-127.0, 129.0) / 1000
            momentum = 0.9 * state[self.table][state["state1"].int()] + 0.05 * p.grad
            state["state1"].copy_((momentum * 1000).round().clamp(-127, 128) + 127)
            p.sub_(momentum)


class Unknown(Coded):
    """The same, in a way that nobody else knows."""

    table = "levels"


class Preconditioned(torch.optim.Optimizer):
    """Keeps square matrices beside momentum, as Shampoo does; some have a layer's shape."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
                state["left"] = torch.ones(len(p), len(p))
            state["momentum"].mul_(0.9).add_(p.grad)
            p.sub_(state["momentum"], alpha=0.1)


class OwnMomenta(torch.optim.Optimizer):
    """Keeps momentum in an attribute, which is filled at the first step.

    Args:
        parameters: the parameters to train.
        kind: "mapping" by parameter, "states" with a mapping for each, "list" in parameter order,
            or "groups" with such a list for each parameter group.

    """

    def __init__(self, parameters: Any, kind: str) -> None:
        super().__init__(parameters, {})
        self.kind, self.own = kind, [*self.param_groups[0]["params"]]
        self.momenta: Any = {"mapping": {}, "states": {}, "list": [], "groups": [[]]}[kind]

    def read(self) -> list[Tensor]:
        """Return the momentum of each parameter."""
        if self.kind == "mapping":
            return [self.momenta[p] for p in self.own]
        if self.kind == "states":
            return [self.momenta[p]["momentum"] for p in self.own]
        found: list[Tensor] = self.momenta[0] if self.kind == "groups" else self.momenta
        return found

    def _fill(self) -> None:
        zeros = [torch.zeros_like(p) for p in self.own]
        if self.kind == "mapping":
            self.momenta.update(zip(self.own, zeros, strict=True))
        elif self.kind == "states":
            self.momenta.update(
                {p: {"momentum": zero} for p, zero in zip(self.own, zeros, strict=True)}
            )
        else:
            (self.momenta[0] if self.kind == "groups" else self.momenta).extend(zeros)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """Step with a momentum of 0.9."""
        if not self.momenta or self.momenta == [[]]:
            self._fill()
        for p, momentum in zip(self.own, self.read(), strict=True):
            momentum.mul_(0.9).add_(p.grad)
            p.sub_(momentum, alpha=0.1)


Make = Callable[[Any], Any]


def zeros_off_masks(pruner: Any) -> bool:
    """Whether the model has nothing but zeros off the masks."""
    pairs = zip(pruner.parameters.values(), pruner.masks.values(), strict=True)
    return all(not bool(p[~mask].any()) for p, mask in pairs)


def off(pruner: Any, buffers: list[Tensor]) -> float:
    """The largest number that buffers hold off the masks."""
    pairs = zip(buffers, pruner.masks.values(), strict=True)
    return max(float(b[~mask].abs().max()) for b, mask in pairs)
