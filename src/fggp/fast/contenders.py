"""The ways of computing one network that a measurement compares."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from fggp.fast.public import compile
from fggp.fast.shrinking import shrink

Contender = Callable[[Tensor], object]
"""A function of images; its output is discarded."""
NAMES = ("fggp", "fggp batched", "torch", "torch channels_last", "onnxruntime")
SHRUNK = ("fggp shrunk", "torch shrunk")
"""The same with the network of `fggp.shrink`, where that is clearly smaller."""
CLEARLY = 0.9
"""Share of the parameters above which a shrunk network is too similar to measure."""
OPTIONAL = ("onnxruntime", "onnx")
"""Packages that `onnxruntime` needs; without them it is left out."""


def contenders(model: nn.Module, batch: Tensor, threads: int) -> dict[str, Contender]:
    """Return the available contenders for a model by name, each with that number of threads.

    Torch uses the threads of the process, which the caller sets. The batched form of ours is left
    out where the batch is too small for it.

    Args:
        model: in evaluation mode.
        batch: the images of a call.
        threads: threads of each contender.

    """
    found: dict[str, Contender] = {
        "fggp": compile(model, threads=threads),
        "torch": model,
        "torch channels_last": _channels_last(model),
    }
    if len(batch) >= 16:
        found["fggp batched"] = compile(model, threads=threads, batched=True)
    if all(find_spec(name) for name in OPTIONAL):
        found["onnxruntime"] = onnxruntime(model, batch, threads)
    smaller = shrink(model)
    if _size(smaller) <= CLEARLY * _size(model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # most of its weights are kept
            found["fggp shrunk"] = compile(smaller, threads=threads)
        found["torch shrunk"] = smaller
    return {name: found[name] for name in (*NAMES, *SHRUNK) if name in found}


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _channels_last(model: nn.Module) -> Contender:
    """Return a copy with the weights, and each batch, in the layout with channels last."""
    other = copy.deepcopy(model).to(memory_format=torch.channels_last)

    def call(images: Tensor) -> object:
        return other(images.contiguous(memory_format=torch.channels_last))

    return call


def onnxruntime(model: nn.Module, batch: Tensor, threads: int) -> Contender:
    """Return a session of onnxruntime for the model."""
    import onnxruntime

    file: Any = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (batch[:1],), file, dynamo=False, input_names=["images"],
                          dynamic_axes={"images": {0: "batch"}})  # fmt: skip
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )
    return lambda images: session.run(None, {"images": images.numpy()})
