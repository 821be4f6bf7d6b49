"""Weights in common formats: a torch checkpoint, or safetensors."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from fggp.foundation.errors import Failure
from fggp.foundation.files import write_bytes

SUFFIXES = (".safetensors", ".pt")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the ``state_dict`` in a file, on the CPU: safetensors by its suffix, else torch.

    Raises:
        Failure: where the file is absent, damaged, has other content, or would run code.

    """
    try:
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            return safetensors.torch.load(content)
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except OSError as error:
        fix = "name the file of a state_dict"
        raise Failure(f"{path}: cannot be read ({error.strerror}); {fix}") from None
    except pickle.UnpicklingError:  # whose message advises running it
        raise _unusable(path, "more than tensors in it, or damaged") from None
    except Exception as error:  # a file of any other kind can fail in any way
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise _unusable(path, reason) from None
    if not isinstance(state, Mapping):
        raise Failure(
            f"{path}: holds a {type(state).__name__}; write model.state_dict() instead of it"
        )
    return dict(state)


def write_weights(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a ``state_dict`` atomically, in the format of the suffix, one of `SUFFIXES`.

    safetensors keeps its own order of the names.

    Raises:
        Failure: for another suffix, a dtype that safetensors does not know, or a file that cannot
            be written.

    """
    check_suffix(path)
    if path.suffix == ".safetensors":
        try:
            content = safetensors.torch.save(dict(state))
        except (KeyError, safetensors.SafetensorError) as error:
            raise Failure(f"{path}: safetensors has no dtype {error}; write a .pt file") from None
    else:
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        content = buffer.getvalue()
    try:
        write_bytes(path, content)
    except OSError as error:
        fix = "make room or choose another folder"
        raise Failure(f"{path}: cannot be written ({error.strerror}); {fix}") from None


def check_suffix(path: Path) -> None:
    """Raise Failure unless weights can be written to a file of that name."""
    if path.suffix not in SUFFIXES:
        raise Failure(f"{path}: its suffix is {path.suffix!r}; choose {' or '.join(SUFFIXES)}")


def _unusable(path: Path, reason: str) -> Failure:
    fix = "write them with torch.save(model.state_dict(), …), or name a .safetensors file"
    return Failure(f"{path}: not the weights of a model ({reason}); {fix}")
