"""The networks, one file each: `backbone` declares a network and this module finds it by its name.

The file of a network has the name of the network in configurations, in letters and digits. Names
come from the listing of this folder, and a file is imported only when its network is built, so
names are known without PyTorch.
Next to ``NAME.py`` there may be a ``NAME.yaml`` with the training costs of the network, as
`fggp.study.costs` reads it; a network without one is measured. Other files have an underscore in
their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib import import_module
from math import floor
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from fggp.foundation.errors import Failure
from fggp.foundation.validation import nearest

if TYPE_CHECKING:
    from torch import nn

    Make = Callable[[Fraction, int], nn.Module]

FOLDER = Path(__file__).parent
_OTHERS = {"registry"}
NAME = re.compile("[a-z0-9]+")
"""The pattern of network names, which are part of the names of cells and files."""


@dataclass(frozen=True)
class Definition:
    """A registered network.

    Attributes:
        name: name in configurations.
        make: function of width factor and number of classes that returns the network with fresh
            weights. The network takes ``(B, 3, H, W)``, square RGB images of 16 to 64 pixels, and
            returns ``(B, classes)`` raw logits.
        whole_planes_after: the child module after which the layout ``by_stage`` has whole planes
            instead of channels last; None if channels last is faster throughout.

    """

    name: str
    make: Make
    whole_planes_after: str | None


_FOUND: dict[str, Definition] = {}


def backbone(*, whole_planes_after: str | None = None) -> Callable[[Make], Make]:
    """Register the decorated function as the network with its name; see `Definition`."""

    def keep(make: Make) -> Make:
        _FOUND[make.__name__] = Definition(make.__name__, make, whole_planes_after)
        return make

    return keep


@cache
def names() -> tuple[str, ...]:
    """Return the names of all networks, sorted."""
    found = {it.name for it in iter_modules([str(FOLDER)])} - _OTHERS
    return tuple(sorted(name for name in found if NAME.fullmatch(name)))


def check_file(name: Any) -> Any:
    """Return a name unchanged; raises ValueError if it is not a valid network name."""
    if isinstance(name, str) and not NAME.fullmatch(name) and (FOLDER / f"{name}.py").is_file():
        raise ValueError(
            f"fggp/models/{name}.py cannot be named in studies; use only a to z and 0 to 9"
        )
    return name


def find(name: str) -> Definition:
    """Return a network by name, importing its file.

    Raises:
        KeyError: for an unknown name, with the nearest known one.
        Failure: if the file registers no network of its name.

    """
    if name not in names():
        raise KeyError(f"no network is called {name!r}{nearest(name, names())}")
    import_module(f"fggp.models.{name}")
    if name not in _FOUND:
        raise Failure(
            f"fggp/models/{name}.py registers no network {name!r}; decorate a function of that "
            "name with @backbone()"
        )
    return _FOUND[name]


def costs_path(name: str) -> Path:
    """Return the path of the file with the costs of a network, if it has one."""
    return FOLDER / f"{name}.yaml"


def channels(full: int, width: Fraction) -> int:
    """Return ``full`` channels times the width factor, rounded half up, at least 1."""
    return max(1, floor(full * width + Fraction(1, 2)))
