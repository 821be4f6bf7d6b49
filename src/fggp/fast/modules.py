"""The step for each known module and function of torch; all others are refused."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fggp.fast.refusal import CompileError
from fggp.fast.steps import Convolve, Flatten, Floats, Kept, Pair, Pointwise, Pool, Step
from fggp.models.zero_padded_shortcut import ZeroPaddedShortcut

Make = Callable[[str, Any, int, int], Step | None]
"""From name, module, source and output to the step, or to None where nothing is computed."""


def pair(value: Any) -> Pair:
    """Return the rows and columns of a setting that may be one number for both."""
    rows, columns = value if isinstance(value, tuple | list) else (value, value)
    return int(rows), int(columns)


def array(tensor: torch.Tensor) -> Floats:
    """Return a tensor as a copy in float64."""
    return tensor.detach().double().numpy().copy()


def kept(tensor: torch.Tensor) -> Kept:
    """Return the nonzero values of a weight, in float64; NaN counts as nonzero."""
    flat = tensor.detach().contiguous().view(-1).numpy()
    places = np.flatnonzero(flat)
    return Kept(tuple(tensor.shape), places, flat[places].astype(np.float64))


def _bias(module: nn.Conv2d | nn.Linear) -> Floats:
    return np.zeros(len(module.weight)) if module.bias is None else array(module.bias)


def _convolution(name: str, module: nn.Conv2d, source: int, output: int) -> Step:
    if module.groups != 1:
        raise CompileError(f"{name}: groups={module.groups}; only groups=1 can be compiled")
    if pair(module.dilation) != (1, 1):
        raise CompileError(f"{name}: dilation={module.dilation}; only dilation=1 can be compiled")
    if module.padding_mode != "zeros":
        raise CompileError(
            f"{name}: padding_mode={module.padding_mode!r}; only padding with zeros can be compiled"
        )
    if isinstance(module.padding, str):
        raise CompileError(f"{name}: padding={module.padding!r}; write it as numbers")
    return Convolve(
        name, source, output, weight=kept(module.weight), bias=_bias(module),
        stride=pair(module.stride), padding=pair(module.padding),
    )  # fmt: skip


def _linear(name: str, module: nn.Linear, source: int, output: int) -> Step:
    return Convolve(name, source, output, weight=kept(module.weight), bias=_bias(module))


def _batch_norm(name: str, module: nn.BatchNorm2d, source: int, output: int) -> Step:
    if module.running_mean is None or module.running_var is None:
        raise CompileError(
            f"{name}: batch norm without running statistics depends on the whole batch; train it "
            "with track_running_stats=True"
        )
    scale = 1 / np.sqrt(array(module.running_var) + module.eps)
    shift = -array(module.running_mean) * scale
    # Not by `affine`: torch uses the tensors that are there, and a scale may have no shift.
    if module.weight is not None:
        scale, shift = scale * array(module.weight), shift * array(module.weight)
    if module.bias is not None:
        shift = shift + array(module.bias)
    return Pointwise(name, source, output, scale=scale, shift=shift)


def _relu(name: str, _: Any, source: int, output: int) -> Step:
    return Pointwise(name, source, output, relu=True)


def _max_pool(name: str, module: Any, source: int, output: int) -> Step:
    if pair(module.dilation) != (1, 1) or module.ceil_mode or module.return_indices:
        raise CompileError(
            f"{name}: {module}; max-pooling with dilation, ceil_mode or return_indices cannot be "
            "compiled"
        )
    window, stride = pair(module.kernel_size), pair(module.stride)
    return Pool(
        name, source, output, kind="max", window=window, stride=stride, padding=pair(module.padding)
    )


def _mean_pool(name: str, module: nn.AvgPool2d, source: int, output: int) -> Step:
    padded = pair(module.padding) != (0, 0) and not module.count_include_pad
    if module.ceil_mode or module.divisor_override is not None or padded:
        raise CompileError(
            f"{name}: {module}; mean-pooling with ceil_mode, divisor_override or padding that is "
            "not counted cannot be compiled"
        )
    window, stride = pair(module.kernel_size), pair(module.stride)
    padding = pair(module.padding)
    return Pool(name, source, output, kind="mean", window=window, stride=stride, padding=padding)


def _adaptive(name: str, module: nn.AdaptiveAvgPool2d, source: int, output: int) -> Step:
    return adaptive_pool(name, module.output_size, source, output)


def adaptive_pool(name: str, size: Any, source: int, output: int) -> Step:
    """Return the step of an adaptive mean-pooling to a size."""
    if None in (size if isinstance(size, tuple | list) else (size,)):
        raise CompileError(f"{name}: an output size of None; write it as numbers")
    return Pool(name, source, output, kind="mean", outputs=pair(size))


def _flatten(name: str, module: nn.Flatten, source: int, output: int) -> Step:
    return flatten(name, module.start_dim, module.end_dim, source, output)


def flatten(name: str, start: int, end: int, source: int, output: int) -> Step:
    """Return the step that flattens images to features."""
    if (start, end) not in {(1, -1), (1, 3)}:
        raise CompileError(
            f"{name}: flattening of dimensions {start} to {end}; only all but the first, "
            "torch.flatten(x, 1), can be compiled"
        )
    return Flatten(name, source, output)


def _pad(name: str, module: ZeroPaddedShortcut, source: int, output: int) -> Step:
    """Return the step that copies channels and leaves others zero: a convolution of one pixel."""
    inputs = np.arange(module.inputs)
    shape = (module.outputs, module.inputs, 1, 1)
    places = (inputs + module.before) * module.inputs + inputs
    return Convolve(
        name, source, output, weight=Kept(shape, places, np.ones(module.inputs)),
        bias=np.zeros(module.outputs), stride=(module.stride, module.stride), copies=True,
    )  # fmt: skip


def _nothing(name: str, _: Any, source: int, output: int) -> None:
    return None


MODULES: dict[type[nn.Module], Make] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm2d: _batch_norm,
    nn.ReLU: _relu,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _mean_pool,
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.Flatten: _flatten,
    nn.Identity: _nothing,
    nn.Dropout: _nothing,
    nn.Dropout2d: _nothing,
    ZeroPaddedShortcut: _pad,
}
"""Modules by their exact class: a subclass may compute something else."""

SUMS = {operator.add, operator.iadd, torch.add, "add", "add_"}
RELUS = {torch.relu, torch.relu_, functional.relu, functional.relu_, "relu", "relu_"}
FLATTENS = {torch.flatten, "flatten"}
ADAPTIVE = {functional.adaptive_avg_pool2d}
IN_PLACE = {operator.iadd, "add_", torch.relu_, functional.relu_, "relu_"}
"""Functions, and methods of tensors by name."""
