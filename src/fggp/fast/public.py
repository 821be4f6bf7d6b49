"""`compile`: a pruned network as machine code for this CPU, which multiplies only kept weights."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, overload

from torch import Tensor, nn

from fggp.fast import machine_code
from fggp.fast.capture import capture
from fggp.fast.compiled import CompiledNetwork
from fggp.fast.packed import read
from fggp.fast.processor import NAMED, Processor, host, named
from fggp.fast.refusal import CompileError
from fggp.pruning.parameters import network_inside

DENSE = 0.6
"""Share of kept weights above which dense code is expected to be as fast."""
Source = nn.Module | str | os.PathLike[str]


@overload
def compile(
    model: Source, *, into: nn.Module | None = ..., batched: bool = ..., threads: int = ...,
    otherwise: None = ..., processor: str | None = ...,
) -> CompiledNetwork: ...  # fmt: skip


@overload
def compile(
    model: Source, *, into: nn.Module | None = ..., batched: bool = ..., threads: int = ...,
    otherwise: Literal["dense"], processor: str | None = ...,
) -> Callable[[Tensor], Tensor]: ...  # fmt: skip


def compile(
    model: Source,
    *,
    into: nn.Module | None = None,
    batched: bool = False,
    threads: int = 1,
    otherwise: Literal["dense"] | None = None,
    processor: str | None = None,
) -> Callable[[Tensor], Tensor]:
    """Compile a pruned network for inference on this CPU: its zeros are not multiplied.

    For networks of convolutions, batch norm, ReLU, pooling, residual sums and linear layers, in
    float32. The output differs from that of the model only by rounding, for finite inputs (a pruned
    weight times infinity is NaN in torch, and skipped here). By default, an image gives the same
    bits whatever the size of its batch.

    The weights are copied: compile again after changing them. Code is generated at the first call
    for each size of image, and kept in memory only.

    Args:
        model: a module in evaluation mode, also inside torch.compile, DataParallel or
            AveragedModel, or a file written by `fggp.pack`.
        into: for a file, the module that its weights belong to; not needed for networks of fggp,
            which are recognized by the shapes of their weights.
        batched: process whole groups of 16 images together in layers with small planes. This is
            faster for many images, but the last bits of an output depend on whether its image is in
            such a group.
        threads: number of threads among which the images of a call are divided; one image uses one.
        otherwise: ``"dense"`` returns the model unchanged if it cannot be compiled.
        processor: name in LLVM of another processor to generate code for
            (`fggp.fast.processor.NAMED`), to test narrower vectors. Default: this machine.

    Returns:
        A callable, see `fggp.fast.compiled.CompiledNetwork`.

    Raises:
        CompileError: for a model that cannot be compiled to the same function; the message names
            the problem and the fix.
        TypeError: for anything but a module or a path.

    Warns:
        RuntimeWarning: if dense code would be as fast, because most weights are kept.

    """
    if threads < 1:
        raise CompileError(f"threads={threads}; give at least 1")
    if otherwise not in {None, "dense"}:
        raise CompileError(f"otherwise={otherwise!r}; give None or 'dense'")
    if isinstance(model, nn.Module):
        if into is not None:
            raise CompileError("into= belongs to a packed file; give it as the first argument")
        module = model
    elif isinstance(model, str | os.PathLike):
        module = read(Path(model), into, fix="name the module that they belong to with into=")
    else:
        raise TypeError(f"{model!r} is neither a torch.nn.Module nor the path of a packed file")
    try:
        return _compiled(module, batched=batched, threads=threads, processor=processor)
    except CompileError:
        if otherwise is None:
            raise
        return module


def _processor(llvm: Any, name: str | None) -> Processor:
    here = host(llvm)
    if name is None:
        return here
    if name not in NAMED:
        raise CompileError(f"processor={name!r}; known are {', '.join(sorted(NAMED))}")
    chosen = named(name)
    if chosen.architecture != here.architecture:
        raise CompileError(f"processor={name!r} has other code; this machine is {here.cpu}")
    return replace(chosen, triple=here.triple)


def _compiled(
    module: nn.Module, *, batched: bool, threads: int, processor: str | None
) -> CompiledNetwork:
    network = capture(network_inside(module))
    llvm = machine_code.llvm()
    chosen = _processor(llvm, processor)
    if network.kept > DENSE * network.weights:
        warnings.warn(
            f"{network.kept} of {network.weights} weights are kept; compiled code is faster than "
            f"dense code below about {DENSE:.0%}",
            RuntimeWarning,
            stacklevel=3,
        )
    return CompiledNetwork(network, chosen, batched=batched, threads=threads)
