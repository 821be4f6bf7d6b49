"""Weights in a small file, bit for bit: `pack` and `unpack`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from fggp.foundation.errors import Failure
from fggp.foundation.files import write_bytes
from fggp.storage.packed_file import WORD_BYTES, ForeignError, Raw, from_bytes, to_bytes


class PackError(Failure):
    """Weights that cannot be packed or unpacked; the message is one line with the fix."""


def pack(
    state: Mapping[str, Tensor] | nn.Module,
    path: str | os.PathLike[str],
    *,
    positive_zeros: bool = False,
) -> int:
    """Write the tensors of a model atomically to one small file.

    Every bit is preserved (NaN payloads, denormals, -0.0), and so is the order of the names.
    Device, memory layout, memory shared between tensors (each is stored) and gradients are not.

    Weights that were pruned by multiplication with a mask are +0.0 or -0.0, by their former sign.
    At high sparsity these signs, one bit per pruned weight, take more space than everything else;
    ``positive_zeros`` stores them as +0.0 in all tensors. A sum of products, and so every layer, is
    equal with either. Files of a study's final weights are written in this way.

    Args:
        state: a ``state_dict``, or a module that has one.
        path: the file; ``.fggp`` is the usual suffix.
        positive_zeros: store -0.0 as +0.0, and everything else exactly.

    Returns:
        The number of bytes written.

    Raises:
        PackError: for anything but a dense tensor of a known dtype, or a file that cannot be
            written.

    """
    tensors = state.state_dict() if isinstance(state, nn.Module) else state
    path = Path(path)
    if not isinstance(tensors, Mapping):
        raise PackError(f"{path}: a {type(state).__name__} has no weights; pack a state_dict")
    raw = {name: _raw(name, tensor, path) for name, tensor in tensors.items()}
    content = to_bytes(raw, positive_zeros=positive_zeros)
    try:
        write_bytes(path, content)
    except OSError as error:
        raise PackError(
            f"{path}: cannot be written ({error.strerror}); make room or choose another folder"
        ) from None
    return len(content)


def unpack(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Read a file of `pack`: tensors on the CPU, for ``model.load_state_dict(unpack(path))``.

    No code is run, and a damaged file is refused.

    Raises:
        PackError: if the file is missing, damaged or of another kind.

    """
    path = Path(path)
    try:
        return {name: _tensor(raw) for name, raw in from_bytes(path.read_bytes()).items()}
    except OSError as error:
        fix = "name a file written by `fggp.pack`"
        raise PackError(f"{path}: cannot be read ({error.strerror}); {fix}") from None
    except ForeignError as error:
        fix = "make one with `fggp pack`"
        raise PackError(f"{path}: not a packed file ({error}); {fix}") from None
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PackError(
            f"{path}: damaged ({reason}); copy it again from its source, or pack it again"
        ) from None


def _raw(name: object, tensor: object, path: Path) -> Raw:
    if not isinstance(name, str):
        raise PackError(f"{path}: {name!r} is not the name of a tensor; pack a state_dict")
    if not isinstance(tensor, Tensor):
        kind = type(tensor).__name__
        raise PackError(f"{path}: {name!r} is not a tensor but {kind}; pack a model's state_dict")
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in WORD_BYTES or tensor.layout != torch.strided or tensor.is_meta:
        raise PackError(
            f"{path}: {name!r} is a {tensor.device.type} tensor of {tensor.dtype} and "
            f"{tensor.layout}; make it a dense one of an ordinary dtype"
        )
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    # A tensor of one element is contiguous whatever its stride, and can be viewed only with 1.
    flat = plain.as_strided((plain.numel(),), (1,))
    # Via bytes: numpy knows neither bfloat16 nor 8-bit floats.
    words = flat.view(torch.uint8).numpy().view(f"<u{WORD_BYTES[dtype]}")
    return Raw(dtype, tuple(tensor.shape), words)


def _tensor(raw: Raw) -> Tensor:
    flat = torch.from_numpy(raw.words.view(np.uint8))
    tensor: Tensor = flat.view(getattr(torch, raw.dtype)).reshape(raw.shape)
    return tensor
