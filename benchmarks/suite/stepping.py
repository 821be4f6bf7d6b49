"""The cost of optimizer and masks in a step between two updates, at VGG-19's 20 million weights.

Everything in a step except the network: how the gradient arrives (some tools mask it, or keep a
second copy of the weights), the optimizer as users of the tool make it, and its masks. The
gradients are given, and are the same in every step.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from suite import peers
from suite.granet import found, masking
from suite.ours import Ours, State, as_trained, sgd, weights_of
from suite.work import Options, Row, Work, over
from suite.worker import side_by_side

CASE, OVER = "one step", "over dense"
DENSE, FUSED = "dense, SGD as it is", "dense, fused SGD"


def measure(options: Options) -> list[Row]:
    """Return milliseconds per step, and their excess over a dense step with the same SGD."""
    state = State(Fraction(1, 10), tiny=options.tiny)
    contenders = {
        "ours": partial(ours, state),
        "GraNet": partial(granet, state, options.granet),
        "torch.nn.utils.prune": partial(torch_prune, state),
        "torch.ao.pruning": partial(torch_ao, state),
        "rigl-torch": partial(rigl, state),
        DENSE: partial(dense, state, False),
        FUSED: partial(dense, state, True),
    }
    rows = side_by_side(
        "optimizer and mask", CASE, contenders, rounds=options.times(15), threads=options.threads
    )
    mine, peer = rows[0], [row for row in rows[1:] if row.contender != FUSED]
    return [*rows, *over([mine, rows[-1]], FUSED, OVER), *over(peer, DENSE, OVER)]


def ours(state: State) -> Work:
    """Return fused SGD and our pruner."""
    it = Ours(state, "gmp", None)

    def run() -> None:
        it.optimizer.step()
        it.pruner.step()

    return Work(run)


def dense(state: State, fused: bool) -> Work:
    """Return SGD alone, fused or with torch's defaults."""
    as_trained()
    model = state.network()
    state.fill(model)
    return Work(sgd(model, fused=fused).step)


def granet(state: State, path: Path | None) -> Work:
    """Return SGD and the official masking."""
    found(path)
    model = state.network()
    optimizer = sgd(model)
    pruner = masking(model, optimizer, every=10**6)
    masks = state.fill(model)
    for name, mask in zip(pruner.masks, masks, strict=True):
        pruner.masks[name] = mask.float()
    return Work(pruner.step)


def torch_prune(state: State) -> Work:
    """Return SGD, and masks that multiply the weights before every forward pass."""
    model = state.network()
    masks = state.fill(model)
    modules = peers.torch_prune(model, masks)
    hooks = [next(iter(module._forward_pre_hooks.values())) for module in modules]

    def weights() -> list[Any]:
        for module, hook in zip(modules, hooks, strict=True):
            hook(module, ())
        return [module.weight for module in modules]

    return through(model, masks, weights)


def torch_ao(state: State) -> Work:
    """Return SGD, and masks as parametrizations."""
    model = state.network()
    masks = state.fill(model)
    modules = peers.torch_ao(model, masks)
    return through(model, masks, lambda: [module.weight for module in modules])


def through(model: nn.Module, masks: list[Any], weights: Callable[[], list[Any]]) -> Work:
    """Return SGD on masked weights: forward and backward through the masks, then a step."""
    optimizer = sgd(model)
    gradients = [torch.randn(mask.shape) for mask in masks]

    def run() -> None:
        torch.autograd.backward(weights(), gradients)
        optimizer.step()
        optimizer.zero_grad()

    return Work(run)


def rigl(state: State) -> Work:
    """Return SGD as rigl-torch wraps it, and the hooks on its gradients."""
    model = state.network()
    optimizer = sgd(model)
    masks = state.fill(model)
    scheduler = peers.rigl_torch(model, optimizer, masks)
    own = weights_of(model)
    hooks = zip(own, scheduler.backward_hook_objects, strict=True)
    arriving = [(p, p.grad, hook) for p, hook in hooks]

    def run() -> None:
        for p, gradient, hook in arriving:
            p.grad = gradient if hook is None else hook(gradient)
        optimizer.step()

    return Work(run)
