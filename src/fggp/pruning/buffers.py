"""The buffers that optimizers keep for each weight, including quantized ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fggp.pruning.integer_masks import INTEGERS, zeroed
from fggp.pruning.optimizers import Nest, attributes_of, groups_of, trained_by

PLAIN = {*INTEGERS, torch.complex128}
PLAIN_CLASSES = (Tensor, nn.Parameter)
Place = tuple[Any, Any]
"""A container and the key or position of a buffer in it."""


class Buffers:
    """Finds the numbers that optimizers keep for each weight, such as momentum.

    These are tensors of a parameter's shape: in ``state`` of the optimizers, in mappings by
    parameter, and in lists with one for each parameter. A preconditioner that happens to have this
    shape, such as that of SOAP or Shampoo for a square layer, is excluded. It is recognized by the
    other layers, for which the entry of the same name differs in shape from the parameter.

    Args:
        nest: the optimizers.
        parameters: the prunable tensors by name, in layer order.

    """

    def __init__(self, nest: Nest, parameters: Mapping[str, nn.Parameter]) -> None:
        self._nest, self._names = nest, list(parameters)
        self._parameters = list(parameters.values())
        self._layout: Any = None
        self._plain: list[tuple[int, Place]] = []
        self._coded: list[tuple[int, Place]] = []

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_layout": None, "_plain": [], "_coded": []}

    def plain(self) -> list[tuple[int, Tensor]]:
        """Return the buffers of floating-point numbers, with the number of their layer.

        Raises RuntimeError, with the fix, if others contain codes of an unknown kind.
        """
        layout = self._layout_now()
        if layout != self._layout:
            self._sort(self._search())
            self._layout = layout
        return [(index, container[key]) for index, (container, key) in self._plain]

    @torch.no_grad()
    def zero_coded(self, masks: Sequence[Tensor]) -> None:
        """Zero the buffers that contain codes, off the mask of their layer; call `plain` first."""
        for index, (container, key) in self._coded:
            buffer, mask = container[key], masks[index]
            if _decodes(buffer):
                buffer.copy_(zeroed(buffer.dequantize(), mask))
            else:
                code = _code_of_zero(container, key)
                assert code is not None  # otherwise refused
                buffer.masked_fill_(~mask, code)

    def _sort(self, places: Iterable[tuple[int, Place]]) -> None:
        self._plain, self._coded = [], []
        for index, (container, key) in places:
            buffer = container[key]
            if buffer.dtype in PLAIN and not _decodes(buffer) and not buffer.is_quantized:
                self._plain.append((index, (container, key)))
                fails = type(buffer) not in PLAIN_CLASSES and not _zeroes(buffer)
            elif _decodes(buffer) or _is_coded(buffer.dtype):
                self._coded.append((index, (container, key)))
                fails = not _decodes(buffer) and _code_of_zero(container, key) is None
            else:
                fails = False  # whole numbers, such as a count of steps
            if fails:
                kind = f"codes of {buffer.dtype}" if _is_coded(buffer.dtype) else type(buffer)
                raise RuntimeError(self._refusal(index, key, str(kind)))

    def _refusal(self, index: int, key: object, kind: str) -> str:
        return (
            f"{type(self._nest.outermost).__name__} keeps {key!r} of {self._names[index]} as "
            f"{kind}, whose zero is not known here; use the optimizer that keeps it in 32 bits"
        )

    def _layout_now(self) -> list[Any]:
        """Return a value that stays equal as long as buffers are found in the same places."""
        entries: list[Any] = [
            (id(entry), len(entry))
            for state in self._nest.states
            for p in self._parameters
            if (entry := state.get(p)) is not None
        ]
        return entries + [_outline(value) for value, _ in self._elsewhere()]

    def _search(self) -> Iterator[tuple[int, Place]]:
        number = {id(p): index for index, p in enumerate(self._parameters)}
        shapes = [p.shape for p in self._parameters]
        for table in self._tables():
            others = {
                key
                for parameter, entry in table
                for key, shape in _shapes(entry)
                if parameter.ndim > 1 < len(shape) and shape != parameter.shape
            }
            for parameter, entry in table:
                index = number.get(id(parameter))
                for name, place in () if index is None else _places(entry):
                    tensor = place[0][place[1]]
                    if name not in others and tensor.shape == shapes[index]:  # type: ignore[index]
                        yield index, place  # type: ignore[misc]

    def _tables(self) -> Iterator[list[tuple[Tensor, Any]]]:
        """Yield the entries of every mapping by parameter, and of lists in parameter order."""
        for state in self._nest.states:
            yield [(p, entry) for p, entry in state.items() if isinstance(p, Tensor)]
        for value, trained in self._elsewhere():
            yield _table(value, trained)

    def _elsewhere(self) -> Iterator[tuple[Any, Sequence[Tensor]]]:
        """Yield the attributes and settings of the optimizers, with the parameters of each."""
        for each in self._nest.every:
            trained = trained_by([each])
            for value in attributes_of(each):
                yield value, trained
            for group in groups_of([each]):
                for name, value in group.items():
                    if name != "params":
                        yield value, group["params"]


def _outline(value: Any) -> Any:
    """Return a value that changes when a container gets or loses buffers; None for other values.

    Only containers that `_table` reads are searched, as an attribute may be a long list of numbers.
    """
    if not isinstance(value, Mapping | list):
        return None
    inner = [*value.values()] if isinstance(value, Mapping) else value
    read = (Tensor,) if isinstance(value, Mapping) else (Tensor, list)
    if not isinstance(next(iter(value), None), read):
        return id(value)
    return id(value), [_outline(it) for it in inner]


def _table(value: Any, trained: Sequence[Tensor]) -> list[tuple[Tensor, Any]]:
    """Return the entry of an attribute for each parameter; none if it contains other things."""
    if isinstance(value, Mapping):
        return [
            (p, entry if isinstance(entry, dict | list) else _Slot(value, p))
            for p, entry in value.items()
            if isinstance(p, Tensor)
        ]
    slots = [*_slots(value)]
    if not slots or len(slots) != len(trained):
        return []
    pairs = [*zip(trained, slots, strict=True)]
    fit = all(slot.value.shape == p.shape and slot.value is not p for p, slot in pairs)
    return pairs if fit else []


class _Slot:
    """One tensor in a container."""

    def __init__(self, container: Any, key: Any) -> None:
        self.place, self.value = (container, key), container[key]


def _slots(value: Any) -> Iterator[_Slot]:
    """Yield the tensors of a list, and of lists in it."""
    for position, each in enumerate(value) if isinstance(value, list) else ():
        if isinstance(each, Tensor):
            yield _Slot(value, position)
        else:
            yield from _slots(each)


def _places(entry: Any, name: object = "") -> Iterator[tuple[object, Place]]:
    """Yield the places of all tensors in an entry, each with the name under which it is kept."""
    if isinstance(entry, _Slot):
        yield name, entry.place
        return
    if isinstance(entry, Mapping):
        keys: Iterable[Any] = entry
    else:
        keys = range(len(entry)) if isinstance(entry, list) else ()
    for key in keys:
        own = name or key
        if isinstance(entry[key], Tensor):
            yield own, (entry, key)
        else:
            yield from _places(entry[key], own)


def _shapes(entry: Any) -> Iterator[tuple[object, torch.Size]]:
    for name, (container, key) in _places(entry):
        yield name, container[key].shape


def _decodes(buffer: Tensor) -> bool:
    """Whether the class of a buffer hides codes, as those of torchao do."""
    return type(buffer).dequantize is not Tensor.dequantize


def _zeroes(buffer: Tensor) -> bool:
    """Whether a buffer of a tensor subclass can be zeroed like any other."""
    try:
        zeroed(buffer.detach(), torch.ones_like(buffer, dtype=torch.bool))
    except (NotImplementedError, RuntimeError, TypeError):
        return False
    return True


def _is_coded(dtype: torch.dtype) -> bool:
    """Whether numbers of a type may be codes of others: types of eight bits or fewer."""
    return dtype is not torch.bool and dtype.itemsize == 1


def _code_of_zero(entry: Any, key: Any) -> int | None:
    """Return the code of zero from the table of codes that bitsandbytes keeps with a state."""
    table = entry.get(str(key).replace("state", "qmap")) if isinstance(entry, Mapping) else None
    if not isinstance(table, Tensor) or not table.is_floating_point():
        return None
    codes = _ZEROS.get(id(table))
    if codes is None or codes[0] is not table:
        zeros = (table == 0).nonzero().flatten().tolist()
        codes = _ZEROS[id(table)] = (table, zeros[0] if zeros else None)
    return codes[1]


_ZEROS: dict[int, tuple[Tensor, int | None]] = {}
