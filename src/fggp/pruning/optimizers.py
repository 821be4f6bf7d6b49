"""Nested optimizers, their parameters, and the optimizers that cannot be followed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

UNLIKE_OPTIMIZERS = (type, nn.Module, Tensor)


class Nest:
    """An optimizer with all optimizers inside it, at any depth and under any name.

    Lookahead, SAM, ZeroRedundancyOptimizer, the wrappers of accelerate and of Lightning and many
    others keep the optimizer that does the work in an attribute.

    Args:
        optimizer: the one that the training loop steps.

    Attributes:
        every: all of them, each after the one that contains it.

    Raises:
        ValueError: if the argument is not an optimizer.

    """

    def __init__(self, optimizer: Any) -> None:
        if not _is_optimizer(optimizer):
            raise ValueError(
                f"optimizer: a {type(optimizer).__name__} is not an optimizer, which has "
                "param_groups and step(); for several optimizers make one pruner for each, with "
                "params= for the parameters that it trains"
            )
        self.every: list[Any] = []
        self._held: dict[int, list[Any]] = {}
        waiting = [optimizer]
        while waiting:
            each = waiting.pop(0)
            if all(each is not other for other in self.every):
                self.every.append(each)
                self._held[id(each)] = held = [*_held(each)]
                waiting += held

    def __getstate__(self) -> dict[str, Any]:
        return {"every": self.every}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["every"][0])  # type: ignore[misc]

    @property
    def outermost(self) -> Any:
        """The optimizer that the training loop steps."""
        return self.every[0]

    @property
    def wrappers(self) -> list[Any]:
        """The optimizers that contain another."""
        return [each for each in self.every if self._held[id(each)]]

    @property
    def workers(self) -> list[Any]:
        """The optimizers that contain no other."""
        return [each for each in self.every if not self._held[id(each)]]

    @property
    def inmost(self) -> torch.optim.Optimizer:
        """The first optimizer that contains no other, with the buffers and the learning rate."""
        inmost: torch.optim.Optimizer = self.workers[0]
        return inmost

    @property
    def states(self) -> list[Mapping[Any, Any]]:
        """The distinct ``state`` mappings of all."""
        found = {id(state): state for each in self.every if (state := _state(each)) is not None}
        return [*found.values()]

    @property
    def grad_scale(self) -> Tensor | None:
        """The factor by which a gradient scaler multiplied the gradients, if known."""
        found = (getattr(each, "grad_scale", None) for each in self.every)
        return next((scale for scale in found if scale is not None), None)

    @property
    def skips(self) -> bool:
        """Whether a gradient scaler makes a fused optimizer skip this step."""
        return any(bool(getattr(each, "found_inf", False)) for each in self.every)

    @property
    def exchanges_weights(self) -> bool:
        """Whether ``train()`` and ``eval()`` exchange the weights, as schedule-free ones do."""
        return any(
            callable(getattr(worker, "train", None)) and callable(getattr(worker, "eval", None))
            for worker in _without_delegates(self.every)
        )

    def learning_rates(self) -> Callable[[Tensor], float]:
        """Return a function from a parameter to the learning rate of its group now.

        NaN if the group has none. A parameter without a group has the rate of the first one.
        """
        groups = groups_of(self.every)
        rates = [float("nan") if it.get("lr") is None else float(it["lr"]) for it in groups]
        # Those of the inner optimizers count, which come last.
        found = {id(p): x for it, x in zip(groups, rates, strict=True) for p in it["params"]}
        return lambda parameter: found.get(id(parameter), rates[0])

    def check(self, parameters: Mapping[str, nn.Parameter], *, soft: bool) -> None:
        """Raise ValueError, with the fix, if the parameters cannot be pruned with these."""
        self._check_trained(parameters)
        self._check_no_copies()
        for each in self.every:
            if isinstance(each, torch.optim.LBFGS):
                raise ValueError(
                    f"{type(each).__name__}: its history mixes the gradients of all weights, so "
                    "that masks break it; use an optimizer with one state per weight, such as AdamW"
                )
        if soft and self.exchanges_weights:
            raise ValueError(
                f"{type(self.outermost).__name__} keeps two sets of weights, which train() and "
                "eval() exchange, and soft masking keeps a third; use a method with hard masking, "
                "or another optimizer"
            )

    def _check_trained(self, parameters: Mapping[str, nn.Parameter]) -> None:
        owned = set(map(id, trained_by(self.every)))
        untrained = [name for name, own in parameters.items() if id(own) not in owned]
        if not untrained:
            return
        if len(untrained) == len(parameters) > 1:
            raise ValueError(
                f"{type(self.outermost).__name__} trains none of the model's parameters: it was "
                "made for another model, or trains copies of them, as wrappers for half precision "
                "do; make it of model.parameters(), and use torch.autocast for half precision"
            )
        raise ValueError(f"the optimizer does not train {untrained[0]}; exclude it with params=")

    def _check_no_copies(self) -> None:
        """Raise ValueError if a worker trains copies that the wrapper then writes to the model."""
        outer = set(map(id, trained_by([self.outermost])))
        for worker in self.workers:
            if outer and not outer.issuperset(map(id, trained_by([worker]))):
                raise ValueError(
                    f"{type(self.outermost).__name__} trains copies of the model's parameters by "
                    f"the {type(worker).__name__} inside, and masks would not reach them; use the "
                    "optimizer without the wrapper, and torch.autocast for half precision"
                )


def _without_delegates(optimizers: Iterable[Any]) -> list[Any]:
    """Return optimizers except those of accelerate, whose train() calls the one inside."""
    return [each for each in optimizers if type(each).__name__ != "AcceleratedOptimizer"]


def _is_optimizer(value: object) -> bool:
    if isinstance(value, UNLIKE_OPTIMIZERS):
        return False
    if isinstance(value, torch.optim.Optimizer):
        return True
    try:
        return callable(getattr(value, "step", None)) and hasattr(value, "param_groups")
    except Exception:  # a property of something that is not ready
        return False


def _held(optimizer: Any) -> Iterator[Any]:
    """Yield the optimizers in the attributes of one, and in lists and mappings among these."""
    for value in attributes_of(optimizer):
        for each in _items(value):
            if each is not optimizer and _is_optimizer(each):
                yield each


def _items(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return [*value.values()]
    return value if isinstance(value, list | tuple) else [value]


def _state(optimizer: Any) -> Mapping[Any, Any] | None:
    state = getattr(optimizer, "state", None)
    return state if isinstance(state, Mapping) else None


def groups_of(optimizers: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the parameter groups of optimizers; wrappers may share those of the inner ones."""
    return [group for each in optimizers for group in getattr(each, "param_groups", None) or ()]


def trained_by(optimizers: Iterable[Any]) -> list[Tensor]:
    """Return the parameters in the groups of optimizers."""
    return [parameter for group in groups_of(optimizers) for parameter in group["params"]]


def attributes_of(optimizer: Any) -> Iterator[Any]:
    """Yield the attributes of an optimizer, except its state, groups and defaults."""
    for name, value in getattr(optimizer, "__dict__", {}).items():
        if name not in {"state", "param_groups", "defaults"}:
            yield value
