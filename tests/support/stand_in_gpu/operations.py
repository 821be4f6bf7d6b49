"""Properties of PyTorch's operations: which make the host wait, copy, or write in place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor

WAITS = {
    *("_local_scalar_dense", "equal", "is_nonzero", "masked_select", "nonzero"),
    *("_unique2", "unique_dim", "unique_consecutive"),
}
"""The host needs their result, or its size."""
INDEXING = {"index", "index_put", "index_put_", "_index_put_impl_"}
COPIES = {"copy_", "_to_copy", "_foreach_copy_"}
ALLOCATIONS = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
NORMALIZING = {"native_batch_norm"}
"""They write running statistics, of which their schema does not tell."""


@cache
def name_of(operation: Any) -> str:
    """Return the name of an operation without its overload."""
    return str(operation.overloadpacket.__name__)


def tensors_in(values: Any) -> Iterator[Tensor]:
    """Go through the tensors of arguments or results, which may be in lists."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from tensors_in(value)


def waits(operation: Any, args: tuple[Any, ...]) -> bool:
    """Whether the host waits for an operation on a device."""
    name = name_of(operation)
    if name in INDEXING:  # by a boolean mask: how many positions it marks decides on sizes
        return any(x.dtype in {torch.bool, torch.uint8} for x in tensors_in(args[1]))
    return name in WAITS


def written(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """Return the tensors that an operation writes into."""
    found: list[Tensor] = []
    for index, name in _written_places(operation):
        found += tensors_in(args[index] if index < len(args) else kwargs.get(name))
    return found


@cache
def _written_places(operation: Any) -> list[tuple[int, str]]:
    """Return place and name of the arguments that an operation writes into."""
    arguments = [*enumerate(operation._schema.arguments)]
    statistics = {"running_mean", "running_var"} if name_of(operation) in NORMALIZING else set()
    return [
        (index, it.name)
        for index, it in arguments
        if it.name in statistics or (it.alias_info is not None and it.alias_info.is_write)
    ]


def memory_of(tensor: Tensor) -> int:
    """Return what tensors that share their memory have in common."""
    return int(tensor.untyped_storage()._cdata)
