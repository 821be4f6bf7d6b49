"""Tensors of the stand-in GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stand_in_gpu.device import NAME
from stand_in_gpu.memory import Block


class DeviceTensor(Tensor):
    """A tensor that says it is on the stand-in GPU and holds its numbers in a tensor of the CPU.

    Attributes:
        held: the numbers.
        block: the memory that it shares with its views.

    """

    held: Tensor
    block: Block

    @staticmethod
    def __new__(cls, held: Tensor, block: Block) -> DeviceTensor:
        made = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=torch.device(NAME, 0),
        )
        made.held, made.block = held, block
        return made

    def __init__(self, held: Tensor, block: Block) -> None:
        pass

    @classmethod
    def __torch_dispatch__(
        cls, operation: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        from stand_in_gpu.launch import launch

        return launch(operation, args, kwargs or {})

    @property
    def data(self) -> Tensor:
        return Tensor.data.__get__(self)

    @data.setter
    def data(self, new: DeviceTensor) -> None:
        """Take the place of another tensor, as when a network gets another memory layout."""
        Tensor.data.__set__(self, new)
        self.held, self.block = new.held, new.block

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def tolist(self) -> Any:
        return self.detach().cpu().tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            copied = self.detach().clone()
            if isinstance(self, torch.nn.Parameter):
                copied = torch.nn.Parameter(copied, self.requires_grad)
            memo[id(self)] = copied
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        # Files hold plain tensors, which are loaded on the CPU.
        return self.detach().cpu().__reduce_ex__(protocol)

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"DeviceTensor({self.held!r})"
