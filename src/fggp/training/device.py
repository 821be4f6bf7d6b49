"""The choice of the device that a cell trains on."""

from __future__ import annotations

import os
import warnings
from typing import Literal

import torch

from fggp.foundation.errors import Failure
from fggp.foundation.user_variables import device_named
from fggp.training.given_gpu import VISIBLE, given_gpu, hides
from fggp.training.provenance import processor


def choose_device(wanted: str) -> tuple[torch.device, str]:
    """Return the device for ``auto``, ``cpu`` or ``cuda``, and its name.

    Raises:
        Failure: as `usable`.

    """
    kind = usable(wanted)
    return torch.device(kind), torch.cuda.get_device_name() if kind == "cuda" else processor()


def usable(wanted: str) -> Literal["cpu", "cuda"]:
    """Return the kind of device for ``auto``, ``cpu`` or ``cuda``, without setting it up.

    ``auto`` is a GPU if PyTorch sees one, else the CPU.

    Raises:
        Failure: if PyTorch sees no GPU although ``cuda`` is wanted, or although this process was
            given one (`fggp.training.given_gpu`), which ``auto`` would leave idle.

    """
    if device_named(wanted) == "cpu":
        return "cpu"
    seen, reason = _look()
    if seen:
        return "cuda"
    given = given_gpu()
    if given:
        raise Failure(
            f"this training was given a GPU ({given}), but PyTorch sees none ({reason}); "
            f"{_fix(reason)}, or train on the CPU with --device cpu or FGGP_DEVICE=cpu"
        )
    if wanted == "cuda":
        raise Failure(f"no CUDA device is visible to PyTorch ({reason}); train with --device cpu")
    return "cpu"


def _look() -> tuple[bool, str]:
    """Return whether PyTorch sees a GPU, and otherwise its build and its own reason."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if torch.cuda.is_available():
            return True, ""
    said = next((str(it.message) for it in caught), "") or _refusal()
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "no CUDA"
    return False, f"{torch.__version__}, built with {build}: {' '.join(said.split())[:300]}"


def _refusal() -> str:
    """Return why CUDA cannot be set up: looking for a GPU does not always warn."""
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (AssertionError, RuntimeError) as error:
        return str(error)
    return "it gives no reason"


def _fix(reason: str) -> str:
    visible = os.environ.get(VISIBLE)
    if visible is not None and hides(visible):
        return f"remove {VISIBLE}={visible}, which hides it"
    if torch.version.cuda is None:
        return "install a PyTorch that is built with CUDA (make setup on Linux)"
    if "driver" in reason:
        return "update the driver, or install a PyTorch for it; `fggp doctor` checks both"
    return "run `fggp doctor` there, which checks driver and PyTorch"
