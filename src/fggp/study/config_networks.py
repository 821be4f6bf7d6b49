"""Check whether networks from outside the package can be trained as a study requires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from fggp.data.sizes import Size
from fggp.foundation.errors import Failure
from fggp.methods import METHODS
from fggp.models.open_networks import takes_width
from fggp.study.cell import Backbone
from fggp.study.config_records import Study
from fggp.study.networks import BATCH, build, shapes_alone

if TYPE_CHECKING:
    from torch import nn

CLASSES = 10


def unsound_networks(study: Study, methods: Mapping[str, Any], size: Size) -> Iterator[str]:
    """Yield the requirements of a study that its networks from outside the package do not meet.

    Args:
        study: the study, with its sources located.
        methods: its checked methods, by label.
        size: size of its images, if known.

    """
    for name, block in study.backbones.items():
        if block.source is None:
            if block.stem is not None:
                yield f"backbones.{name}.stem: is for networks with a `source`; remove the key"
            continue
        try:
            wide = takes_width(name, block.source)
            model = shapes_alone(block.backbone(name), side=size.side)
        except Failure as error:
            yield f"backbones.{name}: {error}"
            continue
        if block.width != 1 and not wide:
            yield f"backbones.{name}.width: {name} takes no width; remove the key"
        if study.training.layout == "by_stage":
            yield (
                f"training.layout: by_stage is not defined for {name}; use channels_last, or "
                f"leave {name} out"
            )
        yield from _methods(name, model, wide, methods)


def _methods(name: str, model: nn.Module, wide: bool, methods: Mapping[str, Any]) -> Iterator[str]:
    """Yield the methods that cannot prune a network."""
    from fggp.pruning.filters.masks import FilterMasks
    from fggp.pruning.prunable import prunable

    for label, block in methods.items():
        definition = METHODS[block["name"]]
        if definition.recipe(**block["settings"]).narrow and not wide:
            yield (
                f"methods.{label}: {name} takes no width, so there is no narrower one; leave out "
                f"{label} or {name}"
            )
        if definition.pattern == "filters":
            try:
                FilterMasks(model, prunable(model))
            except ValueError as error:
                yield (
                    f"methods.{label}: filters of {name} cannot be pruned ({error}); leave out "
                    f"{label} or {name}"
                )


def misfits(study: Study, size: Size) -> Iterator[str]:
    """Yield the networks from outside the package that do not accept the images of a study."""
    for name, block in study.backbones.items():
        if block.source is not None and (why := _misfit(block.backbone(name), size.side)):
            yield f"backbones.{name}: {why}"


@cache
def _misfit(backbone: Backbone, side: int) -> str:
    """Return why a network cannot be trained on images of a size; empty where it can.

    It is tried with shapes alone, or, where that is not possible, with numbers on the CPU.
    """
    try:
        model = shapes_alone(backbone, classes=CLASSES, side=side)
        return _tried(model, device="meta", side=side)
    except Exception:  # it is external code
        pass
    try:
        return _tried_on_cpu(backbone, side)
    except Exception as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        pixels = f"{side}×{side} pixels"
        return f"does not take images of {pixels} ({said}); use another network or other images"


def _tried_on_cpu(backbone: Backbone, side: int) -> str:
    import torch

    with torch.random.fork_rng(devices=[]):
        model = build(backbone, classes=CLASSES, side=side)
        return _tried(model, device="cpu", side=side)


def _tried(model: nn.Module, device: str, side: int) -> str:
    """Return the problem of a network's outputs or of its prunable weights."""
    import torch

    from fggp.pruning.filters.positions import output_positions
    from fggp.pruning.prunable import prunable

    pruned = prunable(model)  # before a layer without a shape gets one from the images
    found = model.train()(torch.zeros(BATCH, 3, side, side, device=device))
    if not isinstance(found, torch.Tensor):
        return f"returns {type(found).__name__} in training; return only logits (B, classes)"
    if found.shape != (BATCH, CLASSES):
        return (
            f"returns {tuple(found.shape)} for {BATCH} images of {side}×{side} pixels and "
            f"{CLASSES} classes; return logits (B, classes)"
        )
    counted = output_positions(model, (3, side, side))
    for name in pruned:
        if name not in counted:
            return f"{name} is not the weight of an nn.Conv2d or nn.Linear that is used"
    return ""
