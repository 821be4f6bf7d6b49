"""The measurements of `gpu-check`: its files, and the step times in them.

Each GPU has one file, ``results/gpu-check/NAME.json``, named after the model and never after the
machine. `fggp.study.costs` prefers these step times to the figures on record.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fggp.foundation.files import write_text
from fggp.study.study_folder import RESULTS

FOLDER = RESULTS / "gpu-check"


class StepTime(BaseModel):
    """The time of a training step of one network by one protocol.

    Attributes:
        backbone: the network.
        width: the factor on its channels.
        precision: precision of the training.
        layout: memory layout of the training.
        batch_size: images of a step.
        side: pixels along the side of an image.
        milliseconds: milliseconds of a step, with masks and without evaluations.
        estimate: milliseconds by the figures on record; None if there are none.

    """

    model_config = ConfigDict(frozen=True)
    backbone: str
    width: float = Field(gt=0)
    precision: str
    layout: str
    batch_size: int = Field(gt=0)
    side: int = Field(gt=0)
    milliseconds: float = Field(gt=0)
    estimate: float | None = None


class Check(BaseModel):
    """One finding of the check: ``state`` is ok, warning, error or skipped."""

    model_config = ConfigDict(frozen=True)
    name: str
    state: str
    found: str


class Measured(BaseModel):
    """The file of one GPU.

    Attributes:
        device: "cuda", or "cpu" for a trial of the check, which is never used for plans.
        device_name: the full name of the model.
        made: time of the check, UTC.
        passed: whether there is no error.
        watts: power limit of the board; None if the driver does not report it.
        facts: versions of the driver, of PyTorch and its CUDA, and what it was built for.
        checks: all findings.
        steps: the step times.

    """

    model_config = ConfigDict(frozen=True)
    device: str
    device_name: str
    made: str
    passed: bool
    watts: float | None = None
    facts: dict[str, str | int | float | None] = {}
    checks: tuple[Check, ...] = ()
    steps: tuple[StepTime, ...] = ()

    @property
    def name(self) -> str:
        """The name of the model as in file names: ``nvidia-h200``."""
        return model_name(self.device_name)

    @property
    def source(self) -> str:
        """The source of its figures, in words."""
        return f"measured on {self.device_name} by gpu-check on {self.made[:10]}"


def model_name(device_name: str) -> str:
    """Return the name of a device in lower case, with a dash for all other characters."""
    return re.sub(r"[^a-z0-9]+", "-", device_name.lower()).strip("-") or "unnamed"


def path_of(measured: Measured, folder: Path | None = None) -> Path:
    """Return the path of its file: ``cpu.json`` where no GPU was checked."""
    name = measured.name if measured.device == "cuda" else "cpu"
    return (FOLDER if folder is None else folder) / f"{name}.json"


def write(measured: Measured, folder: Path | None = None) -> Path:
    """Write its file atomically in place of an earlier one; returns the path."""
    path = path_of(measured, folder)
    write_text(path, measured.model_dump_json(indent=1) + "\n")
    return path


def gpus(folder: Path | None = None) -> Sequence[Measured]:
    """Return the measurements of GPUs, the newest first; damaged files count as absent."""
    folder = FOLDER if folder is None else folder
    read = [_read(path, path.stat().st_mtime_ns) for path in sorted(folder.glob("[!.]*.json"))]
    known = [it for it in read if it is not None and it.device == "cuda"]
    return sorted(known, key=lambda it: it.made, reverse=True)


@lru_cache
def _read(path: Path, changed: int) -> Measured | None:
    """Read a file once for each change of it."""
    try:
        return Measured.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
