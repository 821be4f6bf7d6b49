"""The test logits of a training, stored beside its result for later measures."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fggp.foundation.errors import ResultError
from fggp.foundation.files import UNREADABLE, is_refusal, refusal, write_bytes

Logits = NDArray[np.float16]
Labels = NDArray[np.integer[Any]]


def write_logits(path: Path, logits: Logits, labels: Labels) -> None:
    """Write the outputs of a network on the test set atomically.

    Args:
        path: see `fggp.study.result_file.logits_path`.
        logits: (N, classes) float16; NaN where the training diverged.
        labels: (N,) whole numbers from 0 to classes − 1, in the same order.

    Raises:
        ValueError: for arrays of another type or shape.

    """
    _check(logits, labels)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, logits=logits, labels=labels)
    write_bytes(path, buffer.getvalue())


def read_logits(path: Path) -> tuple[Logits, Labels]:
    """Return the logits and the labels that `write_logits` wrote; no code is run.

    Raises:
        ResultError: where the file is absent, damaged or another kind of file.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            logits, labels = (_array(archive, name) for name in ("logits", "labels"))
        _check(logits, labels)
    except FileNotFoundError:
        raise ResultError(f"{path}: missing; delete its result and run again") from None
    except UNREADABLE as error:
        if is_refusal(error):
            fix = "check its permissions and the disk"
            raise ResultError(f"{path}: cannot be read ({refusal(error)}); {fix}") from None
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ResultError(
            f"{path}: not the logits of a training ({reason}); delete it and its result, and run "
            "again"
        ) from None
    return logits, labels


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    content = io.BytesIO(archive.read(f"{name}.npy"))  # to the end, where its checksum is verified
    array: NDArray[Any] = np.lib.format.read_array(content, allow_pickle=False)
    return array


def _check(logits: NDArray[Any], labels: NDArray[Any]) -> None:
    if logits.dtype != np.float16 or logits.ndim != 2:
        raise ValueError(f"logits are {logits.dtype} of shape {logits.shape}, not float16 (N, C)")
    if not np.issubdtype(labels.dtype, np.integer) or labels.shape != logits.shape[:1]:
        raise ValueError(
            f"labels are {labels.dtype} of shape {labels.shape}, not whole numbers of shape "
            f"{logits.shape[:1]}"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise ValueError(f"labels do not fit the {logits.shape[1]} classes")
