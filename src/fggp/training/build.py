"""Build the parts of a cell's training: network and images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fggp.data import Dataset, split
from fggp.data.batches import Batches, EvaluationBatches, evaluation_batches
from fggp.foundation.exact import kept_count
from fggp.foundation.random_streams import stream
from fggp.pruning.filters.positions import output_positions
from fggp.pruning.prunable import prunable
from fggp.study.cell import Cell
from fggp.study.networks import SIDE, build, shapes_alone, whole_planes_after
from fggp.study.protocol import recipe_of
from fggp.training.initialization import initialize
from fggp.training.loss import best_constant
from fggp.training.memory_format import arrange, channels_last
from fggp.training.small_dense import narrower, weights


@dataclass(frozen=True)
class Parts:
    """The parts of a training.

    Attributes:
        model: the network, on the device.
        batches: the augmented training images.
        held_out: the images of "validation" and "test", in order and without augmentation.
        scoring: ten training images of each class, for methods that score weights before training.
        images: the number of images in each part: "train", "validation" and "test".
        guessing: the loss of a network that knows only the class frequencies.

    """

    model: nn.Module
    batches: Batches
    held_out: dict[str, EvaluationBatches]
    scoring: list[tuple[Tensor, Tensor]]
    images: dict[str, int]
    guessing: float


def parts_of(cell: Cell, dataset: Dataset, device: torch.device) -> Parts:
    """Return the parts of the training of a cell."""
    train, validation = split(dataset.train_labels, cell.data.validation, cell.data.train)
    sets = {
        "validation": (dataset.train_images[validation], dataset.train_labels[validation]),
        "test": (dataset.test_images, dataset.test_labels),
    }
    occurrences = np.bincount(dataset.train_labels[train], minlength=len(dataset.classes))
    return Parts(
        model=network_of(cell, len(dataset.classes), device, dataset.size.side),
        batches=_training_batches(cell, dataset, train, device),
        held_out={name: in_order(cell, dataset, *them, device) for name, them in sets.items()},
        scoring=scoring_batches(cell, dataset, train, device),
        images={"train": len(train)} | {name: len(labels) for name, (_, labels) in sets.items()},
        guessing=best_constant(occurrences.tolist(), cell.training.label_smoothing),
    )


def network_of(cell: Cell, classes: int, device: torch.device, side: int = SIDE) -> nn.Module:
    """Build the backbone on the CPU from its own stream, without changing the global one."""
    backbone = cell.backbone
    if recipe_of(cell).narrow:
        keep = kept_count(weights(backbone, classes, side), cell.sparsity)
        backbone = narrower(backbone, classes, keep, side)
    seed = int(stream(cell.seed, "weights").integers(2**63))
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: it also seeds the devices, which would not be restored.
        torch.default_generator.manual_seed(seed)
        model = build(backbone, classes=classes, side=side)
        if backbone.initialization is not None:
            initialize(model, backbone.initialization)
    return arrange(model.to(device), cell.training.layout, whole_planes_after(backbone))


def full_macs(cell: Cell, classes: int, shape: Sequence[int]) -> int:
    """Return the multiply-accumulates of one image through the backbone at its full width."""
    model = shapes_alone(cell.backbone, classes=classes, side=shape[-1])
    positions = output_positions(model, shape)
    return sum(positions[name] * p.numel() for name, p in prunable(model).items())


def _training_batches(
    cell: Cell, dataset: Dataset, chosen: NDArray[np.int64], device: torch.device
) -> Batches:
    """Return the augmented batches of the ``chosen`` training images."""
    training = cell.training
    return Batches(
        dataset.train_images[chosen],
        dataset.train_labels[chosen],
        mean=dataset.mean,
        std=dataset.std,
        batch_size=training.batch_size,
        seed=cell.seed,
        pad=training.pad,
        pad_mode=training.pad_mode,
        flip=training.flip,
        device=device,
        channels_last=channels_last(cell.training.layout),
    )


def in_order(
    cell: Cell,
    dataset: Dataset,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    device: torch.device,
) -> EvaluationBatches:
    """Return images in order, without augmentation."""
    return evaluation_batches(
        images,
        labels,
        mean=dataset.mean,
        std=dataset.std,
        device=device,
        channels_last=channels_last(cell.training.layout),
    )


def scoring_batches(
    cell: Cell, dataset: Dataset, chosen: NDArray[np.int64], device: torch.device
) -> list[tuple[Tensor, Tensor]]:
    """Return ten of the ``chosen`` training images per class, to score weights on."""
    labels = dataset.train_labels[chosen]
    order = stream(cell.seed, "scoring").permutation(len(labels))
    # Not np.unique: it imports masked arrays, which takes a tenth of the start of a training.
    present = np.flatnonzero(np.bincount(labels))
    tens = [order[labels[order] == label][:10] for label in present]
    taken = chosen[np.concatenate(tens)]
    images = dataset.train_images[taken], dataset.train_labels[taken]
    return list(in_order(cell, dataset, *images, device))
