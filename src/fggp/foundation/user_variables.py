"""The environment variables for users; an empty one counts as not set."""

from __future__ import annotations

import os

from fggp.foundation.errors import Failure

DEVICE, GRAPHS, WRITERS = "FGGP_DEVICE", "FGGP_GRAPHS", "FGGP_WRITERS"
MARGIN, REQUEUE = "FGGP_MARGIN", "FGGP_REQUEUE"
VARIABLES = {
    DEVICE: "device of trainings: auto, cpu or cuda",
    GRAPHS: "no: train on a GPU without CUDA graphs",
    WRITERS: "write each epoch to these: tensorboard, wandb or module:function",
    MARGIN: "seconds before the end of a Slurm job at which training stops, or none",
    REQUEUE: "no: a training that stops before the end of its Slurm job does not requeue it",
}
"""The values of each variable, in the words of `fggp --help`."""
DEVICES = ("auto", "cpu", "cuda")
ON, OFF = ("yes", "1", "true", "on"), ("no", "0", "false", "off")


def value_of(variable: str, default: str = "") -> str:
    """Return the value of a variable, or the default if it is empty or not set."""
    return os.environ.get(variable, "").strip() or default


def device_named(text: str) -> str:
    """Return the name of a device, if it is one.

    Raises:
        Failure: if it is not one of `DEVICES`.

    """
    if text not in DEVICES:
        names = ", ".join(DEVICES)
        raise Failure(f"device {text!r} is not one of {names}; change --device or FGGP_DEVICE")
    return text


def enabled(variable: str) -> bool:
    """Return whether a variable is on, as it is if it is empty or not set.

    Raises:
        Failure: if it is neither yes nor no.

    """
    value = value_of(variable, "yes")
    if value.lower() not in ON + OFF:
        raise Failure(f"{variable}={value} is neither yes nor no")
    return value.lower() in ON
