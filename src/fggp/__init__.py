"""FGGP: fixed-rate gradient-first gradual pruning, and the methods it is compared with."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fggp.fast.public import compile
    from fggp.fast.shrinking import shrink
    from fggp.methods import METHODS
    from fggp.methods.registry import method
    from fggp.pruning.pruner import Pruner
    from fggp.pruning.sparsify import sparsify
    from fggp.storage.packing import pack, unpack

__version__ = "0.1.0"
__all__ = ["METHODS", "Pruner", "compile", "method", "pack", "shrink", "sparsify", "unpack"]

HOMES = {
    "METHODS": "fggp.methods",
    "method": "fggp.methods.registry",
    "Pruner": "fggp.pruning.pruner",
    "sparsify": "fggp.pruning.sparsify",
    "compile": "fggp.fast.public",
    "shrink": "fggp.fast.shrinking",
    "pack": "fggp.storage.packing",
    "unpack": "fggp.storage.packing",
}


def __getattr__(name: str) -> Any:
    # Some need torch, which takes seconds to import. If a package is missing, the command line
    # reports it in one line.
    if name in HOMES:
        return getattr(import_module(HOMES[name]), name)
    raise AttributeError(f"module 'fggp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
