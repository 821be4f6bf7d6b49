"""Checks of a pruner's arguments, made before anything is changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from operator import index
from typing import Any

from torch import Tensor, nn

from fggp.pruning.timing import Method

ORDER = "the order is fggp.Pruner(model, optimizer, method)"


def check_arguments(model: Any, optimizer: Any, method: Any) -> None:
    """Raise TypeError, with the fix, if one of the three has the wrong type."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: {_said(model)} is not a network; {ORDER}")
    # Lists, and objects with a step() but no parameter groups, are refused by `Nest`.
    like = isinstance(optimizer, list | tuple) or callable(getattr(optimizer, "step", None))
    if not (like or hasattr(optimizer, "param_groups")) or isinstance(optimizer, nn.Module | type):
        raise TypeError(f"optimizer: {_said(optimizer)} is not an optimizer; {ORDER}")
    if not isinstance(method, Method):
        name = method if isinstance(method, str) else getattr(method, "name", "fggp")
        raise TypeError(
            f"method: {_said(method)} is not a configured method; give "
            f"fggp.method({name!r}, sparsity=0.9, steps=...)"
        )


def check_options(seed: Any, batches: Any, loss: Any) -> None:
    """Raise TypeError or ValueError, with the fix, if one of them is not possible."""
    try:
        negative = index(seed) < 0
    except TypeError:
        raise TypeError(f"seed: {_said(seed)} is not a whole number") from None
    if negative:
        raise ValueError(f"seed: {seed} is negative; the nearest valid is 0")
    if batches is not None and (
        not isinstance(batches, Iterable) or isinstance(batches, Tensor | str) or _is_pair(batches)
    ):
        raise TypeError("batches: give a list of pairs, batches=[(inputs, targets)]")
    if loss is not None and not callable(loss):
        raise TypeError(
            f"loss: {_said(loss)} is not a function of outputs and targets, such as "
            "torch.nn.functional.cross_entropy"
        )


def check_network(model: Any, name: str) -> None:
    """Raise TypeError if the first argument of the function ``name`` is not a network."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model: {_said(model)} is not a network; the order is {name}")


def _is_pair(batches: Any) -> bool:
    return isinstance(batches, tuple | list) and any(isinstance(it, Tensor) for it in batches)


def _said(value: Any) -> str:
    if isinstance(value, str | int | float):
        return repr(value)
    kind = type(value)
    article = "an" if kind.__name__[0] in "AEIOUaeiou" else "a"
    return f"{article} {kind.__name__}" if kind is not type else f"the class {value.__name__}"


class ReadOnlyMasks(dict[str, Tensor]):
    """Masks by name; a mask can be changed in place, but not replaced."""

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "masks: a new mask would not reach the model; write into the existing one with "
            "pruner.masks[name].copy_(mask), and call pruner.apply()"
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __reduce__(self) -> Any:
        # As a type that torch.load reads with weights_only=True, and that can be changed.
        return OrderedDict, (), None, None, iter(self.items())
