"""The mask functions of the authors, imported unmodified from a checkout of their repository.

Nothing of it is part of this project: their repository has no licence.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

REPOSITORY = "https://github.com/LingkaiZhu1999/NetworkPruning"
COMMIT = "06dbe30468a2348d67467929ce0f52654f81b0d8"
FILES = {
    "global_unstructure": "ccd6e1b49d12196002e0092bd045b410bb4257b1",
    "global_unstructure_double_importance_scores": "eac5567474ac361e216ae072db6f92e7f15e66fa",
    "prune_and_reconnect": "3840b58d70db7ca30e0f471f295367b567840294",
}
"""The files that are imported, with their Git object names at `COMMIT`."""


class Missing(Exception):
    """The folder is no checkout of the authors' repository; the message says what to do."""


class Layer(NamedTuple):
    """One prunable layer at an update: the tensors that the authors' code reads, equally shaped."""

    weight: Tensor
    gradient: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Call:
    """One call of their code.

    Attributes:
        criterion: the name of a class in ``prune_and_reconnect``; None is the class of torch that
            their ``|gradw|`` uses.
        prune: what the class is given as the number to take out.
        add: what it is given as the number to put back.
        first: the score to take out by: ``gradient``, ``weight`` or ``product``.
        second: the score to put back by.

    """

    criterion: str | None
    prune: int
    add: int
    first: str
    second: str = "weight"


class Authors:
    """The three modules with the mask functions of the authors.

    Args:
        folder: a checkout of their repository, or the unpacked files of it.

    Raises:
        Missing: where a file is missing.

    Attributes:
        changed: the files that differ from those at `COMMIT`.

    """

    def __init__(self, folder: Path) -> None:
        for name in FILES:
            if not (folder / f"{name}.py").is_file():
                raise Missing(
                    f"{folder} has no file {name}.py: clone {REPOSITORY}, check out commit "
                    f"{COMMIT[:7]}, and name that folder"
                )
        self.changed = [f"{it}.py" for it in FILES if _object(folder / f"{it}.py") != FILES[it]]
        self._one, self._two, self._classes = (_imported(folder / f"{it}.py") for it in FILES)

    def mask(self, call: Call, layers: Sequence[Layer]) -> Tensor:
        """Return the flat mask (N,) that their code makes of equal tensors."""
        holders = [_Holder(layer) for layer in layers]
        names = [(holder, "weight") for holder in holders]
        first, second = (
            None
            if score == "weight"  # their code then reads the weights of the modules themselves
            else {(holder, "weight"): holder.score(score) for holder in holders}
            for score in (call.first, call.second)
        )
        with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
            if call.criterion is None:
                self._one.global_unstructured(
                    names,
                    pruning_method=prune.L1Unstructured,
                    amount=call.prune,
                    importance_scores=first,
                )
            else:
                self._two.global_unstructured_with_different_criteria(
                    names,
                    pruning_method=getattr(self._classes, call.criterion),
                    amount_prune=call.prune,
                    amount_add=call.add,
                    importance_scores_prune=first,
                    importance_scores_add=second,
                )
        return torch.cat([holder.weight_mask.flatten() for holder in holders]) == 1


@contextlib.contextmanager
def ties_by_index() -> Iterator[None]:
    """Let ``torch.topk`` break ties as this project does: the later index is the larger."""
    with patch.object(torch, "topk", _topk):
        yield


class _Top(NamedTuple):
    values: Tensor
    indices: Tensor


def _topk(values: Tensor, k: int, *, largest: bool = True) -> _Top:
    ascending = values.sort(stable=True)
    part = slice(len(values) - k, None) if largest else slice(k)
    return _Top(ascending.values[part], ascending.indices[part])


class _Holder(nn.Module):
    """A module with one weight, pruned by its mask as torch does it and the authors' code wants."""

    weight_mask: Tensor

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        self.weight = nn.Parameter(layer.weight.clone())
        prune.custom_from_mask(self, "weight", layer.mask.to(layer.weight.dtype))

    def score(self, name: str) -> Tensor:
        """Return a score as their loop hands it over, with its sign."""
        gradient = self.layer.gradient
        return gradient * self.weight.detach() if name == "product" else gradient


def _object(path: Path) -> str:
    """Return the name that Git gives to a file with this content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _imported(path: Path) -> ModuleType:
    specification: Any = importlib.util.spec_from_file_location(f"authors_{path.stem}", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
