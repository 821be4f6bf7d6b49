"""Warnings that point to a line of the user's code."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

HERE = str(Path(__file__).parents[1])


def warn(text: str) -> None:
    """Warn at the innermost line outside of this package and of torch's optimizers."""
    depth, frame = 1, sys._getframe()
    while frame.f_back is not None and _passes_on(frame.f_code.co_filename):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(text, RuntimeWarning, stacklevel=depth)


def _passes_on(path: str) -> bool:
    return path.startswith(HERE) or "/torch/" in path.replace("\\", "/")
