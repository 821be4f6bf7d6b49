"""Find contradictory values in a study; every function yields complaints of one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fggp.data import SOURCES
from fggp.data.sizes import Size
from fggp.foundation.exact import kept_count, percent, plain
from fggp.foundation.validation import nearest
from fggp.study.cell import MethodSettings
from fggp.study.config_records import Study
from fggp.study.dependencies import DENSE, from_trained
from fggp.study.networks import shapes_alone

DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?")
"""A number as in the name of a folder: neither a fraction nor 1e-05."""


def unsound(study: Study, size: Size) -> Iterator[str]:
    """Yield the problems in the values of a study, except those of its methods.

    ``size`` is that of its images, if known.
    """
    yield from _grid(study)
    yield from _window(study)
    yield from _data(study)
    yield from unsound_layers(study, size)
    if study.training.nesterov and not study.training.momentum:
        yield "training.momentum: nesterov needs more than 0; set training.nesterov to false"
    if study.reference is not None and study.reference not in study.methods:
        hint = nearest(study.reference, study.methods)
        yield f"reference: {study.reference!r} is not a label of this study{hint}"


def unsound_starts(study: Study, methods: Mapping[str, Any]) -> Iterator[str]:
    """Yield the methods that start from a trained dense network where the study has none."""
    blocks = {label: MethodSettings(**block) for label, block in methods.items()}
    waiting = [label for label, block in blocks.items() if from_trained(block)]
    if waiting and DENSE not in study.methods:
        yield f"methods.{waiting[0]} starts from the trained dense network; add `dense: {{}}`"


def _grid(study: Study) -> Iterator[str]:
    for key in ("sparsities", "initial_sparsities", "seeds"):
        values = getattr(study, key)
        if len(set(values)) < len(values):
            yield f"{key}: {_listed(values)} has duplicate values; keep one of each"
        if key != "seeds" and not all(DECIMAL.fullmatch(percent(value)) for value in values):
            yield f"{key}: {_listed(values)} must be decimals, because they name folders"
    lowest, start = min(study.sparsities), max(study.initial_sparsities)
    if max(study.sparsities) >= 1:
        yield "sparsities: 1 leaves no weight; the nearest valid is below 1, such as 0.99"
    elif start >= lowest:
        yield (
            f"initial_sparsities: {plain(start)} is not below the lowest target; "
            f"the nearest valid is below {plain(lowest)}"
        )


def _window(study: Study) -> Iterator[str]:
    epochs, pruning = study.training.epochs, study.pruning
    if (pruning.end_epoch is None) == (pruning.end_share is None):
        found = "none is" if pruning.end_epoch is None else "both are"
        yield f"pruning.end_epoch, pruning.end_share: {found} set; set one, and the other to null"
    elif pruning.end_epoch is None:
        return  # begin_epoch is checked against the images
    elif pruning.end_epoch > epochs:
        yield (
            f"pruning.end_epoch: {pruning.end_epoch} is after the training; "
            f"the nearest valid is training.epochs, {epochs}"
        )
    elif pruning.begin_epoch >= pruning.end_epoch:
        yield (
            f"pruning.begin_epoch: {pruning.begin_epoch} is not before the end of the window; "
            f"the nearest valid is {pruning.end_epoch - 1}"
        )


def _data(study: Study) -> Iterator[str]:
    data = study.data
    needed, given = SOURCES[data.kind].path, (data.path or "").strip()
    if needed and not given:
        yield "data.path: missing; name the folder or archive inside data/"
    elif not given.isprintable():
        yield f"data.path: {data.path!r} is not the name of a folder or archive"
    elif not needed and data.path is not None:
        yield f"data.path: {data.kind} has a fixed source; remove the key"


def unsound_layers(study: Study, size: Size) -> Iterator[str]:
    """Yield the problems of `pruning.dense` in every backbone, for images of a size.

    It needs PyTorch if the list has other layers than `first`.
    """
    if not set(study.pruning.dense) - {"first"}:
        return
    from fggp.pruning.dense_layers import DenseLayers, named_layers

    for name, block in study.backbones.items():
        model = shapes_alone(block.backbone(name), classes=size.classes, side=size.side)
        try:
            layers = DenseLayers(model, None, named_layers(model, study.pruning.dense))
        except ValueError as error:
            yield f"pruning.dense: in {name}, {error}"
            continue
        sparsity = max(study.sparsities)
        if layers.weights > (kept := kept_count(layers.total, sparsity)):
            yield (
                f"pruning.dense: these layers of {name} have {layers.weights} weights, and a "
                f"sparsity of {plain(sparsity)} keeps {kept}; remove a layer from the list"
            )


def _listed(values: tuple[Any, ...]) -> str:
    return "[" + ", ".join(str(plain(value)) for value in values) + "]"
