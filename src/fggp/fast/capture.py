"""Convert a torch module into steps with torch.fx; unknown parts are refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from torch import fx, nn
from torch.nn.modules import module as every_module

from fggp.fast.fuse import fuse
from fggp.fast.modules import (
    ADAPTIVE,
    FLATTENS,
    IN_PLACE,
    MODULES,
    RELUS,
    SUMS,
    adaptive_pool,
    flatten,
)
from fggp.fast.refusal import CompileError
from fggp.fast.steps import Convolve, Flatten, Network, Pointwise, Step
from fggp.pruning.filters.walk import traced

LIMITS = {"start_dim": 0, "end_dim": -1}
"""Arguments of ``flatten``, and their defaults."""


def capture(model: nn.Module) -> Network:
    """Return the steps of a model, with a copy of its weights as they are now.

    Raises:
        CompileError: for a model that cannot be compiled to the same function.

    """
    _check(model)
    modules, graph = traced(model, MODULES, CompileError)
    reader = _Reader(modules)
    for node in graph.nodes:
        reader.read(node)
    own = [it for it in reader.steps if isinstance(it, Convolve) and not it.copies]
    weights = sum(prod(it.weight.shape) for it in own)
    return Network(fuse(reader.steps, reader.output), reader.output, weights)


def _check(model: nn.Module) -> None:
    """Refuse a model whose call computes something other than its modules."""
    if every_module._global_forward_hooks or every_module._global_forward_pre_hooks:
        raise CompileError("hooks are registered for all modules; remove them before compiling")
    for name, module in model.named_modules():
        where = f"{name or 'the model'} ({type(module).__name__})"
        if module.training:
            raise CompileError(f"{where} is in training mode; call model.eval() first")
        if module._forward_hooks or module._forward_pre_hooks:
            raise CompileError(
                f"{where} has hooks, which may change what it computes; remove them first "
                "(torch.nn.utils.prune.remove for those of torch's pruning)"
            )
        if "forward" in vars(module):
            raise CompileError(f"{where} has its own forward method; compile the original module")
    for name, tensor in _tensors(model):
        if tensor.device.type != "cpu" or tensor.layout != torch.strided:
            raise CompileError(f"{name} is on {tensor.device}; call model.cpu() first")
        if tensor.is_floating_point() and tensor.dtype != torch.float32:
            raise CompileError(f"{name} is {tensor.dtype}; call model.float() first")


def _tensors(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


class _Reader:
    """Reads the nodes of a graph and keeps the value of each."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        self.modules = modules
        self.steps: list[Step] = []
        self.values: dict[fx.Node, int] = {}
        self.count = 0
        self.output = -1

    def read(self, node: fx.Node) -> None:
        """Add the computation of a node."""
        if node.op == "placeholder":
            if self.values:
                raise CompileError(f"{node.target}: a second input; only one can be compiled")
            self.values[node] = 0
        elif node.op == "output":
            if not isinstance(node.args[0], fx.Node):
                raise CompileError("the model returns several values; only one can be compiled")
            self.output = self.values[node.args[0]]
        elif node.op == "call_module":
            self._module(node)
        elif node.op in {"call_function", "call_method"}:
            self._function(node)
        else:
            raise CompileError(f"{node.target}: a tensor that is used outside of a known module")

    def _module(self, node: fx.Node) -> None:
        name, module = str(node.target), self.modules[str(node.target)]
        make = MODULES.get(type(module))
        if make is None or len(node.args) != 1 or node.kwargs:
            known = ", ".join(sorted(kind.__name__ for kind in MODULES))
            raise CompileError(f"{name}: {type(module).__name__} is not known; known are {known}")
        source = self._value(node.args[0], name)
        self._add(node, make(name, module, source, self.count + 1), source)
        if getattr(module, "inplace", False):
            self._overwrite(node, source)

    def _function(self, node: fx.Node) -> None:
        name, call = node.name, node.target
        arguments = [*node.args]
        options = dict(node.kwargs)
        if call in SUMS and len(arguments) == 2 and not options:
            source, other = (self._value(it, name) for it in arguments)
            step: Step = Pointwise(name, source, self.count + 1, residual=other)
        elif call in RELUS and len(arguments) == 1 and set(options) <= {"inplace"}:
            source = self._value(arguments[0], name)
            step = Pointwise(name, source, self.count + 1, relu=True)
        elif call in FLATTENS and arguments and set(options) <= set(LIMITS):
            source = self._value(arguments[0], name)
            named: dict[str, Any] = dict(zip(LIMITS, arguments[1:], strict=False)) | options
            start, end = (named.get(it, default) for it, default in LIMITS.items())
            step = flatten(name, start, end, source, self.count + 1)
        elif call in ADAPTIVE and len(arguments) == 2 and not options:
            source = self._value(arguments[0], name)
            step = adaptive_pool(name, arguments[1], source, self.count + 1)
        else:
            called = call if isinstance(call, str) else getattr(call, "__name__", call)
            raise CompileError(
                f"{name}: the function {called} in this form is not known; known are sums of two "
                "tensors, relu, flatten(x, 1) and adaptive_avg_pool2d"
            )
        self._add(node, step, source)
        if call in IN_PLACE or options.get("inplace"):
            self._overwrite(node, source)

    def _value(self, node: Any, name: str) -> int:
        if not isinstance(node, fx.Node):
            raise CompileError(f"{name}: {node!r} in place of a tensor cannot be compiled")
        return self.values[node]

    def _add(self, node: fx.Node, step: Step | None, source: int) -> None:
        if step is None:
            self.values[node] = source
            return
        self.count += 1
        self.steps.append(step)
        self.values[node] = self.count

    def _overwrite(self, node: fx.Node, source: int) -> None:
        """Let everything that shares the memory of a value read the value written in its place."""
        flattened = {it.output: it.source for it in self.steps if isinstance(it, Flatten)}

        def whole(value: int) -> int:
            return whole(flattened[value]) if value in flattened else value

        views = {it for it in self.values.values() if whole(it) == whole(source)}
        for other, value in self.values.items():
            if value in views - {source} and any(it not in self.values for it in other.users):
                raise CompileError(
                    f"{node.name} works in place on a tensor that is used flattened too; "
                    "let it make a new one"
                )
            if value == source:
                self.values[other] = self.values[node]
