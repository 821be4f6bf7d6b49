"""The steps of a network in the order of computation; unknown parts are refused.

The network is traced by torch.fx, without values: nothing is computed or changed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from fggp.foundation.errors import Failure
from fggp.models.zero_padded_shortcut import ZeroPaddedShortcut

Kind = Literal["input", "weights", "norm", "pointwise", "pool", "flatten", "sum", "product", "pad"]


class UnknownNetworkError(Failure, ValueError):
    """A network whose channels cannot be followed; one line that names the obstacle."""


@dataclass(frozen=True)
class Step:
    """One operation of a network.

    Attributes:
        kind: its effect on channels. "weights" is a convolution or a linear layer; "norm" a batch
            normalization; "pointwise" a function of single values; "pool" combines values of one
            channel; "flatten" turns channels and positions into features; "pad" adds channels of
            zeros.
        name: name of its module, or of the operation if it has none.
        sources: the steps that it reads, by their places in the list.
        module: its module, if it has one.
        function: function of a pointwise step without a module.
        in_place: whether it overwrites its first source.
        dimensions: the numbers of dimensions that its planes may have, such as (2,) of a 2d
            pooling; empty if it takes any.

    """

    kind: Kind
    name: str
    sources: tuple[int, ...] = ()
    module: Any = None
    function: Callable[[Tensor], Tensor] | None = None
    in_place: bool = False
    dimensions: tuple[int, ...] = ()


class _Value(fx.Proxy):
    """A traced tensor that records ``+=`` as an in-place operation; torch.fx takes it for +."""

    def __iadd__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {})

    def __imul__(self, other: Any) -> fx.Proxy:
        return self.tracer.create_proxy("call_function", operator.imul, (self, other), {})


class Tracer(fx.Tracer):
    """Traces a module and distinguishes in-place operations."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one step: those of torch, and the shortcut of this package."""
        own = type(m) is ZeroPaddedShortcut
        return own or super().is_leaf_module(m, module_qualified_name)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return the value of a node."""
        return _Value(node, self)


CONVOLUTIONS = {nn.Conv1d, nn.Conv2d, nn.Conv3d}
NORMS = {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d}
POINTWISE = {
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Tanh),
    *(nn.Sigmoid, nn.Hardsigmoid, nn.Hardtanh, nn.Identity, nn.Dropout, nn.Dropout1d),
    *(nn.Dropout2d, nn.Dropout3d),
}
POOLS = {
    getattr(nn, f"{kind}Pool{dimensions}d")
    for kind in ("Max", "Avg", "AdaptiveAvg", "AdaptiveMax")
    for dimensions in (1, 2, 3)
}
MODULES: dict[type[nn.Module], Kind] = {
    **dict.fromkeys(CONVOLUTIONS | {nn.Linear}, "weights"),
    **dict.fromkeys(NORMS, "norm"),
    **dict.fromkeys(POINTWISE, "pointwise"),
    **dict.fromkeys(POOLS, "pool"),
    nn.Flatten: "flatten",
    ZeroPaddedShortcut: "pad",
}
SUMS = {operator.add, operator.iadd, torch.add, "add", "add_"}
PRODUCTS = {operator.mul, operator.imul, torch.mul, "mul", "mul_"}
FUNCTIONS: dict[Any, Callable[[Tensor], Tensor]] = {
    **dict.fromkeys([torch.relu, torch.relu_, functional.relu, "relu", "relu_"], torch.relu),
    **dict.fromkeys([torch.tanh, functional.tanh, "tanh"], torch.tanh),
    **dict.fromkeys([torch.sigmoid, functional.sigmoid, "sigmoid"], torch.sigmoid),
    **dict.fromkeys([functional.gelu], functional.gelu),
    **dict.fromkeys([functional.silu], functional.silu),
}
POOLING: set[Any] = {
    functional.adaptive_avg_pool2d,
    functional.avg_pool2d,
    functional.max_pool2d,
    torch.max_pool2d,
}
IN_PLACE = {operator.iadd, operator.imul, torch.relu_, "add_", "mul_", "relu_"}
PLANES = {(2, 3), (3, 2), (-2, -1), (-1, -2)}


def walk(model: nn.Module) -> tuple[list[Step], tuple[int, ...]]:
    """Return the steps of a network, and those whose values it returns.

    Raises UnknownNetworkError for a network that torch.fx cannot follow, or for an unknown part.
    """
    modules, graph = traced(model, MODULES, UnknownNetworkError)
    reader = _Reader(modules)
    for node in graph.nodes:
        reader.read(node)
    return reader.steps, reader.outputs


def traced(
    model: nn.Module, single: Collection[type], refusal: type[Failure]
) -> tuple[dict[str, nn.Module], fx.Graph]:
    """Return the modules of a network by name, and the graph of its forward.

    Args:
        model: the network; one of a type in ``single`` is one module of the graph and not traced.
        single: types of modules that are known as a whole.
        refusal: error to raise for a network that torch.fx cannot follow.

    """
    whole = nn.Sequential(model) if type(model) in single else model
    try:
        graph = Tracer().trace(whole)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise refusal(
            f"{type(model).__name__}: torch.fx cannot follow its forward ({reason}); write it "
            "without decisions that depend on the input"
        ) from None
    return dict(whole.named_modules()), graph


class _Reader:
    """Turns the nodes of a graph into steps; numbers, such as ``x.size(0)``, have no step."""

    def __init__(self, modules: dict[str, nn.Module]) -> None:
        self.modules = modules
        self.steps: list[Step] = []
        self.outputs: tuple[int, ...] = ()
        self._places: dict[fx.Node, int] = {}

    def read(self, node: fx.Node) -> None:
        """Add the step of a node."""
        if node.op == "placeholder":
            if node.args:  # its default
                raise UnknownNetworkError(
                    f"{node.target}: an argument of forward with a default, with and without which "
                    "it may compute something else; remove it from forward"
                )
            self._add(node, Step("input", node.name))
        elif node.op == "output":
            self.outputs = tuple(self._place(it) for it in node.all_input_nodes)
        elif node.op == "call_module":
            self._module(node)
        elif node.op in {"call_function", "call_method"}:
            self._function(node)
        else:
            raise UnknownNetworkError(
                f"{node.target}: a parameter that is used outside of a known module"
            )

    def _module(self, node: fx.Node) -> None:
        name = str(node.target)
        module = self.modules[name]
        kind = MODULES.get(type(module))
        if kind is None or len(node.args) != 1 or node.kwargs:
            known = ", ".join(sorted(it.__name__ for it in MODULES))
            raise UnknownNetworkError(
                f"{name}: {type(module).__name__} is not known; known are {known}"
            )
        check(name, module)
        step = Step(
            kind, name, self._sources(node), module,
            in_place=bool(getattr(module, "inplace", False)), dimensions=_dimensions(module),
        )  # fmt: skip
        self._add(node, step)

    def _function(self, node: fx.Node) -> None:
        call, name = node.target, node.name
        if call == "size":
            return
        in_place = call in IN_PLACE or bool(node.kwargs.get("inplace"))
        if call in SUMS | PRODUCTS and len(node.args) == 2 and not node.kwargs:
            kind: Kind = "sum" if call in SUMS else "product"
            sources = tuple(self._place(it) for it in node.args)
            step = Step(kind, name, sources, in_place=in_place)
        elif call in FUNCTIONS:
            function = FUNCTIONS[call]
            step = Step("pointwise", name, self._sources(node), None, function, in_place)
        elif call in POOLING:
            step = Step("pool", name, self._sources(node), dimensions=(2,))
        elif is_flatten(node):
            step = Step("flatten", name, self._sources(node))
        elif is_mean(node):
            kept = bool(node.kwargs.get("keepdim"))
            dimensions = (2, 3) if kept else (2,)  # without them, a volume has a dimension left
            self._add(node, Step("pool", name, self._sources(node), dimensions=dimensions))
            if kept:
                return
            step = Step("flatten", name, (len(self.steps) - 1,))
        else:
            called = call if isinstance(call, str) else getattr(call, "__name__", call)
            raise UnknownNetworkError(
                f"{name}: the function {called} in this form is not known; known are sums and "
                "products of two tensors, relu, tanh, sigmoid, gelu, silu, 2d pooling, "
                "flatten(x, 1), x.view(n, -1) and x.mean((2, 3))"
            )
        self._add(node, step)

    def _sources(self, node: fx.Node) -> tuple[int]:
        return (self._place(node.args[0]),)

    def _place(self, node: Any) -> int:
        if not isinstance(node, fx.Node) or node not in self._places:
            raise UnknownNetworkError(f"{node!s}, in place of a tensor, is not known")
        return self._places[node]

    def _add(self, node: fx.Node, step: Step) -> None:
        self._places[node] = len(self.steps)
        self.steps.append(step)


def _dimensions(module: nn.Module) -> tuple[int, ...]:
    """Return the dimensions of the planes that a module takes, by its class; empty for any."""
    if type(module) is ZeroPaddedShortcut:
        return (2,)
    if type(module) in CONVOLUTIONS | NORMS | POOLS:
        return (int(type(module).__name__[-2]),)  # such as that of MaxPool2d
    return ()


def is_flatten(node: fx.Node) -> bool:
    """Whether a node flattens all but the first dimension."""
    if node.target in {torch.flatten, "flatten"}:
        return [*node.args[1:], *node.kwargs.values()] in ([1], [1, -1])
    if node.target in {"view", "reshape"}:
        return bool(
            len(node.args) == 3 and node.args[2] == -1 and isinstance(node.args[1], fx.Node)
        )
    return False


def is_mean(node: fx.Node) -> bool:
    """Whether a node takes the mean of a map."""
    if node.target not in {torch.mean, "mean"}:
        return False
    dimensions: Any = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    return isinstance(dimensions, tuple | list) and tuple(dimensions) in PLANES


def check(name: str, module: nn.Module) -> None:
    """Raise UnknownNetworkError if a module of a known type computes something else."""
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) != (1, -1):
        limits = f"{module.start_dim} to {module.end_dim}"
        raise UnknownNetworkError(f"{name}: flattening of dimensions {limits}; only 1 to -1")
    if getattr(module, "groups", 1) != 1:
        raise UnknownNetworkError(f"{name}: groups={module.groups}; only groups=1 is known")
    if type(module) in CONVOLUTIONS | {nn.Linear} and "weight" not in module._parameters:
        raise UnknownNetworkError(
            f"{name}: its weight is not a parameter; make pruning or a parametrization of torch "
            "permanent first (torch.nn.utils.prune.remove)"
        )
