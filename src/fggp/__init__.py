"""FGGP: fixed-rate gradient-first gradual pruning, and what it is compared with."""

from typing import TYPE_CHECKING, Any

from fggp.methods import METHODS
from fggp.timing import method

if TYPE_CHECKING:
    from fggp.pruner import Pruner

__version__ = "0.1.0"
__all__ = ["METHODS", "Pruner", "method"]


def __getattr__(name: str) -> Any:
    # The pruner is the one public name that needs torch, which takes seconds to import.
    if name == "Pruner":
        from fggp.pruner import Pruner

        return Pruner
    raise AttributeError(f"module 'fggp' has no attribute {name!r}")
