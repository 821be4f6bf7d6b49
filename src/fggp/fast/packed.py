"""Stored weights as a module; a network of fggp is recognized by the shapes of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor, nn

from fggp.fast.refusal import CompileError
from fggp.fast.sizes import resize
from fggp.models import build
from fggp.models.registry import names
from fggp.pruning.filters.walk import UnknownNetworkError
from fggp.storage.packing import unpack

Sizes = dict[str, tuple[int, ...]]
LOAD = "load them into their module in Python"
"""The fix for weights of other networks, where a caller cannot name their module."""


def read(path: Path, into: nn.Module | None = None, *, fix: str = LOAD) -> nn.Module:
    """Return the network of a packed file in evaluation mode.

    Args:
        path: a file written by `fggp.pack`.
        into: the module that its weights are loaded into; None recognizes a network of fggp.
            Weights of `fggp.shrink` give it their smaller sizes.
        fix: what the caller can do with weights of another network, for the message.

    Raises:
        CompileError: where the weights are not those of the module, or of a network of fggp.
        PackError: where the file is absent, damaged or another kind of file.

    """
    return module_of(unpack(path), path, into, fix=fix)


def module_of(
    weights: Mapping[str, Tensor],
    path: Path,
    into: nn.Module | None = None,
    *,
    fix: str = LOAD,
) -> nn.Module:
    """Return a network with these weights in evaluation mode; path and fix are for messages.

    Raises CompileError where they are not those of ``into``, or of a network of fggp.
    """
    module = into or _recognized(weights)
    if module is None:
        raise CompileError(
            f"{path}: not the weights of a network of fggp ({', '.join(names())}); {fix}"
        )
    own = module.state_dict()
    try:
        if own.keys() == weights.keys() and _shapes(own) != _shapes(weights):
            resize(module, weights)
        module.load_state_dict(weights)
    except (RuntimeError, UnknownNetworkError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CompileError(f"{path}: not the weights of that module ({reason})") from None
    return module.eval()


def _recognized(weights: Mapping[str, Tensor]) -> nn.Module | None:
    """Return a network of fggp with weights of these names and shapes, or else of these names."""
    found = _shapes(weights)
    linear = [shape for shape in found.values() if len(shape) == 2]
    classes = linear[-1][0] if linear else 10
    for name in names():
        for width in _widths(_sizes(name, Fraction(1), classes), found):
            if _sizes(name, width, classes) == found:
                return build(name, width=width, classes=classes)
    shrunk = (name for name in names() if _sizes(name, Fraction(1), classes).keys() == found.keys())
    return next((build(name, classes=classes) for name in shrunk), None)


def _shapes(weights: Mapping[str, Tensor]) -> Sizes:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def _sizes(name: str, width: Fraction, classes: int) -> Sizes:
    with torch.device("meta"):
        model = build(name, width=width, classes=classes)
    return _shapes(model.state_dict())


def _widths(full: Sizes, found: Sizes) -> list[Fraction]:
    """Return width factors that may have led to the found sizes, simple ones first.

    Channel numbers are rounded, so a factor is known only within a range.
    """
    if full.keys() != found.keys():
        return []
    ratios = {
        Fraction(found[key][0], shape[0])
        for key, shape in full.items()
        if len(shape) == len(found[key]) == 4
    }
    near = {it.limit_denominator(most) for it in ratios for most in (10, 16, 32, 100)}
    return sorted((ratios | near) - {Fraction(0)}, key=lambda it: it.denominator)
