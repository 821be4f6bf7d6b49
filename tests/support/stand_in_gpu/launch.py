"""The execution of an operation on the stand-in GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from stand_in_gpu.device import HERE, NAME
from stand_in_gpu.graphs import Launch
from stand_in_gpu.operations import (
    ALLOCATIONS,
    COPIES,
    INDEXING,
    memory_of,
    name_of,
    tensors_in,
    waits,
    written,
)
from stand_in_gpu.tensor import DeviceTensor


class Misplaced(AssertionError):
    """An operation was given tensors of the device and of the CPU."""


def launch(operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run an operation that is given a tensor of the device, or makes one; returns its result."""
    given = [*tensors_in(args), *tensors_in([*kwargs.values()])]
    here = [tensor for tensor in given if isinstance(tensor, DeviceTensor)]
    target = None if kwargs.get("device") is None else torch.device(kwargs["device"])
    _check_places(operation, args, given)
    _count(operation, args, given, to_host=target is not None and target.type == "cpu")
    if target is not None and target.type == NAME:
        kwargs = kwargs | {"device": torch.device("cpu")}
    held_args, held_kwargs = _held(args), {name: _held(value) for name, value in kwargs.items()}
    if target is not None and target.type != NAME:
        return operation(*held_args, **held_kwargs)
    changed = written(operation, held_args, held_kwargs)
    if HERE.recording is not None:
        HERE.recording.before(changed, [(tensor.held, tensor.block) for tensor in here])
    result = operation(*held_args, **held_kwargs)
    wrapped = _wrapped(result, given)
    _follow(Launch(operation, held_args, held_kwargs, _made(result, given)), bool(changed))
    return wrapped


def _check_places(operation: Any, args: tuple[Any, ...], given: Sequence[Tensor]) -> None:
    """Raise `Misplaced` where a GPU would refuse; single numbers may come from the CPU."""
    name = name_of(operation)
    if name in COPIES:
        return
    if name in INDEXING:  # only the indices may be elsewhere
        given = [*tensors_in(args[:1]), *tensors_in(args[2:])]
    away = [x for x in given if not isinstance(x, DeviceTensor) and x.ndim]
    if away and (len(away) < len(given) or name in INDEXING):
        shapes = [tuple(tensor.shape) for tensor in away]
        raise Misplaced(f"{operation} was given tensors of the CPU, of shapes {shapes}")


def _count(
    operation: Any, args: tuple[Any, ...], given: Sequence[Tensor], *, to_host: bool
) -> None:
    """Count an operation that the host waits for or copies for; a recording can have neither."""
    name = name_of(operation)
    away = [x for x in given if not isinstance(x, DeviceTensor) and (x.ndim or name in COPIES)]
    down = to_host or (
        name in COPIES and not all(isinstance(x, DeviceTensor) for x in _targets(name, args))
    )
    if not (down or away or waits(operation, args)):
        return
    if HERE.recording is not None:
        raise RuntimeError(f"{operation}: operation not permitted when stream is capturing")
    if down or waits(operation, args):
        HERE.waits[name] += 1
    else:
        HERE.uploads[name] += 1


def _targets(name: str, args: tuple[Any, ...]) -> list[Tensor]:
    """Return the tensors that a copy writes into."""
    return [] if name == "_to_copy" else [*tensors_in(args[0])]


def _held(value: Any) -> Any:
    if isinstance(value, DeviceTensor):
        return value.held
    if isinstance(value, list | tuple):
        return type(value)(_held(item) for item in value)
    return value


def _made(result: Any, given: Sequence[Tensor]) -> list[tuple[int, Tensor]]:
    """Return the results that have memory of their own, with their places among all."""
    known = {memory_of(_held(tensor)) for tensor in given}
    return [(i, x) for i, x in enumerate(tensors_in(result)) if memory_of(x) not in known]


def _follow(done: Launch, changed: bool) -> None:
    """Count and record an operation, unless it only read the layout of memory or allocated some."""
    made = [tensor for _, tensor in done.results]
    if HERE.recording is not None:
        HERE.recording.allocated(made)
    if name_of(done.operation) in ALLOCATIONS or not (changed or made):
        return
    if HERE.recording is not None:
        HERE.recording.launched(done)
    else:
        HERE.kernels[name_of(done.operation)] += 1


def _wrapped(result: Any, given: Sequence[Tensor]) -> Any:
    """Return the result as tensors of the device; a tensor changed in place is the one given."""
    if isinstance(result, list | tuple):
        return type(result)(_wrapped(item, given) for item in result)
    if not isinstance(result, Tensor):
        return result
    for tensor in given:
        if _held(tensor) is result:
            return tensor
    blocks = {memory_of(x.held): x.block for x in given if isinstance(x, DeviceTensor)}
    block = blocks.get(memory_of(result))
    if block is None:
        pool = None if HERE.recording is None else HERE.recording.pool
        block = HERE.memory.allocate(result.untyped_storage().nbytes(), pool)
    return DeviceTensor(result, block)
