"""Relevance of channels for a class, propagated back through a network layer by layer.

Layer-wise relevance propagation (Bach et al. 2015): the relevance of an output is divided among the
inputs of each layer, down to the image, so that the sum stays the same if no bias takes part.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, vjp
from torch.nn import functional

from fggp.models.zero_padded_shortcut import ZeroPaddedShortcut
from fggp.pruning.filters.walk import (
    CONVOLUTIONS,
    IN_PLACE,
    MODULES,
    NORMS,
    POOLING,
    POOLS,
    PRODUCTS,
    SUMS,
    UnknownNetworkError,
    is_flatten,
    is_mean,
    traced,
)

EPSILON = 1e-6
"""Keeps the denominators of linear layers, sums and pooling away from zero."""
POOL_LIKE = POOLS | {ZeroPaddedShortcut}
"""Modules whose relevance is divided as that of a pooling."""
HALF = {torch.float16, torch.bfloat16}
IMAGES = 10
"""The number of images that are processed at once; each keeps all of its activations."""


@torch.no_grad()
def relevances(
    model: nn.Module, images: Tensor, labels: Tensor, layers: Collection[str]
) -> dict[str, Tensor]:
    """Return Σ|R| over images and positions of the channels of layers, by the name of the layer.

    R is 1 at the output of the true class. A convolution divides it by positive contributions alone
    (α = 1, β = 0), without its bias; linear layers, sums and pooling divide by all contributions
    (ε = 10⁻⁶); functions of single values pass it on. A batch normalization is folded into the
    layer before it. Networks in half precision are computed in float32, as ratios to ε would
    overflow.

    Args:
        model: the network, called in evaluation mode; it stays unchanged.
        images: a batch of images.
        labels: (B,) the class of each image.
        layers: names of convolutions and linear layers.

    Returns:
        ``(channels,)`` float64 by name.

    Raises:
        UnknownNetworkError: a ValueError, for a network that multiplies two tensors.
        ValueError: if the network does not return a number per class.

    """
    model = copy.deepcopy(model).eval()
    if any(p.dtype in HALF for p in model.parameters()):
        model, images = model.float(), images.float()
    modules, graph = traced(model, MODULES, UnknownNetworkError)
    found: dict[str, Tensor] = {}
    for first in range(0, len(images), IMAGES):
        x, y = images[first : first + IMAGES], labels[first : first + IMAGES]
        forward = _Forward(modules, graph)
        outputs = forward.run(x)
        if not isinstance(outputs, Tensor) or outputs.ndim != 2 or y.ndim != 1:
            raise ValueError("lrp follows the output of the true class back: give class labels")
        start = torch.zeros_like(outputs).scatter_(1, y[:, None], 1)
        for name, relevance in _backward(forward, start):
            if name in layers:
                channel = relevance.ndim - 1 if isinstance(modules[name], nn.Linear) else 1
                places = [dim for dim in range(relevance.ndim) if dim != channel]
                total = relevance.double().abs().sum(places)
                found[name] = found[name] + total if name in found else total
    return found


class _Forward(fx.Interpreter):
    """Runs a network and keeps the inputs of each node: their nodes, and their values then."""

    def __init__(self, modules: Mapping[str, nn.Module], graph: fx.Graph) -> None:
        super().__init__(fx.GraphModule(modules[""], graph))
        self.modules = modules
        self.reads: dict[fx.Node, list[tuple[fx.Node, Tensor]]] = {}
        self._became: dict[fx.Node, fx.Node] = {}  # a node, and the one that overwrote its value

    def run_node(self, n: fx.Node) -> Any:
        """Compute a node."""
        self.reads[n] = [
            (self._became.get(it, it), self.env[it].clone())
            for it in n.args
            if isinstance(it, fx.Node) and isinstance(self.env[it], Tensor)
        ]
        value = super().run_node(n)
        module = self.modules[str(n.target)] if n.op == "call_module" else None
        if n.target in IN_PLACE or n.kwargs.get("inplace") or getattr(module, "inplace", False):
            self._became[n.all_input_nodes[0]] = n
        return value


def _backward(forward: _Forward, start: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the relevance of the outputs of each module, by its name."""
    left: dict[fx.Node, Tensor] = {}
    for node in reversed(list(forward.reads)):
        reads = forward.reads[node]
        if node.op == "output":
            left[reads[0][0]] = start
        elif node in left:
            own = left.pop(node)
            if node.op == "call_module":
                yield str(node.target), own
            values = [value for _, value in reads]
            for (source, _), part in zip(reads, _shares(node, forward, values, own), strict=False):
                left[source] = left[source] + part if source in left else part


def _shares(node: fx.Node, forward: _Forward, read: list[Tensor], own: Tensor) -> list[Tensor]:
    """Return the share of a node's relevance for each value that it reads."""
    module = forward.modules[str(node.target)] if node.op == "call_module" else None
    if type(module) in CONVOLUTIONS | {nn.Linear}:
        weight, bias = _folded(module, _norm_behind(node, forward))
        if isinstance(module, nn.Linear):
            ratio = own / _off_zero(functional.linear(read[0], weight, bias))
            return [read[0] * functional.linear(ratio, weight.T)]
        return [_through_convolution(module, weight, read[0], own)]
    if node.target in PRODUCTS:
        raise UnknownNetworkError(
            f"{node.name}: lrp knows no rule for a product of two tensors; use another method"
        )
    if node.target in SUMS:
        ratio = own / _off_zero(read[0] + read[1])
        return [(value * ratio).sum_to_size(value.shape) for value in read]
    if type(module) in POOL_LIKE or node.target in POOLING or is_mean(node):
        product: Any = vjp(_function(node, module), read[0])
        output, back = product
        return [read[0] * back(own / _off_zero(output))[0]]
    if isinstance(module, nn.Flatten) or is_flatten(node):
        return [own.reshape(read[0].shape)]
    return [own] * bool(read)


def _through_convolution(module: Any, weight: Tensor, x: Tensor, own: Tensor) -> Tensor:
    """Divide relevance among inputs by their positive contributions."""
    nothing = {} if module.bias is None else {"bias": torch.zeros_like(module.bias)}
    signs = [(x.clamp(min=0), weight.clamp(min=0))]
    if bool((x < 0).any()):
        signs.append((x.clamp(max=0), weight.clamp(max=0)))

    def call(part: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda value: functional_call(module, {"weight": part} | nothing, (value,))

    products: list[Any] = [vjp(call(part), value) for value, part in signs]
    total = torch.stack([output for output, _ in products]).sum(0)
    ratio = torch.where(total > 0, own / total, 0.0)
    parts = [value * back(ratio)[0] for (value, _), (_, back) in zip(signs, products, strict=True)]
    return torch.stack(parts).sum(0)


def _norm_behind(node: fx.Node, forward: _Forward) -> Any:
    """Return the batch normalization that alone reads a layer, None if there is none."""
    users = list(node.users)
    if len(users) > 1 or users[0].op != "call_module":
        return None
    module: Any = forward.modules[str(users[0].target)]
    return module if type(module) in NORMS and module.running_var is not None else None


def _folded(layer: Any, norm: Any) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a layer with the batch normalization behind it folded in."""
    weight = layer.weight
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias
    if norm is None:
        return weight, bias
    scale = (norm.running_var + norm.eps).rsqrt() * (1 if norm.weight is None else norm.weight)
    shift = 0 if norm.bias is None else norm.bias
    shape = (-1, *[1] * (weight.ndim - 1))
    return weight * scale.view(shape), (bias - norm.running_mean) * scale + shift


def _function(node: fx.Node, module: nn.Module | None) -> Callable[[Tensor], Tensor]:
    """Return the function of its first argument that a node computes."""
    if module is not None:
        return module
    if isinstance(node.target, str):
        return lambda x: getattr(x, str(node.target))(*node.args[1:], **node.kwargs)
    target: Any = node.target
    return lambda x: target(x, *node.args[1:], **node.kwargs)


def _off_zero(value: Tensor) -> Tensor:
    return value + torch.where(value < 0, -EPSILON, EPSILON)
