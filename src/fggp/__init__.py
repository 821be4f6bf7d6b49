"""FGGP: fixed-rate gradient-first gradual pruning, and what it is compared with."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fggp.methods import METHODS
from fggp.timing import method

if TYPE_CHECKING:
    from fggp.oneshot import sparsify
    from fggp.packing import pack, unpack
    from fggp.pruner import Pruner

__version__ = "0.1.0"
__all__ = ["METHODS", "Pruner", "method", "pack", "sparsify", "unpack"]

NEED_TORCH = {
    "Pruner": "fggp.pruner",
    "sparsify": "fggp.oneshot",
    "pack": "fggp.packing",
    "unpack": "fggp.packing",
}


def __getattr__(name: str) -> Any:
    # These need torch, which takes seconds to import; the rest of the package does without.
    if name in NEED_TORCH:
        return getattr(import_module(NEED_TORCH[name]), name)
    raise AttributeError(f"module 'fggp' has no attribute {name!r}")
