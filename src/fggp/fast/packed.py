"""A packed file as a module again: networks of fggp are recognised by the shapes of their weights."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor, nn

from fggp.fast.refusal import CompileError
from fggp.models import build
from fggp.models.registry import names
from fggp.storage.packing import unpack

Sizes = dict[str, tuple[int, ...]]


def read(path: Path, into: nn.Module | None = None) -> nn.Module:
    """Return the network of a packed file in evaluation mode.

    Args:
        path: what `fggp.pack` wrote.
        into: the module that its weights are loaded into; None recognises a network of fggp.

    Raises:
        CompileError: where the weights are not those of the module, or of a network of fggp.
        PackError: where the file is absent, damaged or another kind of file.

    """
    weights = unpack(path)
    if into is None:
        module = _recognised(weights)
        if module is None:
            raise CompileError(
                f"{path}: not the weights of a network of fggp ({', '.join(names())}); name the "
                "module that they belong to with into="
            )
    else:
        module = into
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CompileError(f"{path}: not the weights of that module ({reason})") from None
    return module.eval()


def _recognised(weights: Mapping[str, Tensor]) -> nn.Module | None:
    """Return a network of fggp with weights of these names and shapes."""
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    for name in names():
        width = _width(_sizes(name, Fraction(1), 10), found)
        if width is None:
            continue
        last = [shape for shape in found.values() if len(shape) == 2]
        classes = last[-1][0] if last else 10
        if _sizes(name, width, classes) == found:
            return build(name, width=width, classes=classes)
    return None


def _sizes(name: str, width: Fraction, classes: int) -> Sizes:
    with torch.device("meta"):
        model = build(name, width=width, classes=classes)
    return {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}


def _width(full: Sizes, found: Sizes) -> Fraction | None:
    """Return a width factor that rounds the channels of all layers to those that were found."""
    if full.keys() != found.keys():
        return None
    low, high = Fraction(0), Fraction(10**6)
    for key, shape in full.items():
        if len(shape) != 4 or len(found[key]) != 4:
            continue
        # channels = floor(full · width + 1/2), and at least 1
        outputs, channels = shape[0], found[key][0]
        if channels > 1:
            low = max(low, (channels - Fraction(1, 2)) / outputs)
        high = min(high, (channels + Fraction(1, 2)) / outputs)
    return (low + high) / 2 if low < high else None
