"""A whole training step: ours and GraNet's loop on the same network, batch and number of threads.

Ours is the loop that trains cells, augmentation and bookkeeping included; GraNet's is the body of
its loop without its data loader, which works in processes of its own.
"""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import nll_loss

from fggp.data import Dataset
from fggp.study.cell import Cell
from suite.granet import found, masking
from suite.ours import as_trained, sgd
from suite.work import Options, Row, Work
from suite.worker import side_by_side

BATCH = 128
LAYOUTS = {
    "vgg19": ("contiguous", "channels_last", "by_stage"),
    "resnet50": ("channels_last", "contiguous"),
}
ROUNDS = {"vgg19": 4, "resnet50": 2}


def measure(options: Options) -> list[Row]:
    """Return CPU seconds per step of both backbones, and the peak memory of the processes."""
    rows = []
    batch = 16 if options.tiny else BATCH
    for backbone, layouts in LAYOUTS.items():
        contenders: dict[str, Any] = {
            f"ours, {layout}": partial(ours, backbone, batch, layout, "granet", options)
            for layout in layouts
        }
        if backbone == "vgg19":
            contenders["ours, dense"] = partial(ours, backbone, batch, layouts[0], "dense", options)
        if backbone == "vgg19" or not options.tiny:  # its ResNet-50 has one width
            contenders["GraNet"] = partial(granet, backbone, batch, options)
        rows += side_by_side(
            "training step",
            f"{backbone}, batch {batch}",
            contenders,
            rounds=options.times(ROUNDS[backbone]),
            threads=options.threads,
            unit="s",
            scale=1,
            memory=True,
        )
    return rows


def dataset(train: int, test: int = 10, validation: int = 10) -> Dataset:
    """Return random images; by default, a minimum of test and validation images."""
    random = np.random.default_rng(0)

    def images(count: int) -> Any:
        return random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)

    names = tuple(str(number) for number in range(10))
    third = (0.5, 0.5, 0.5)
    labels, asked = np.arange(train + validation) % 10, np.arange(test) % 10
    shown = images(len(labels)), labels, images(test), asked
    return Dataset(*shown, names, third, third, {}, "0" * 64)


def cell(
    backbone: str,
    batch: int,
    layout: str,
    method: str,
    options: Options,
    *,
    precision: str = "fp32",
    validation: int = 10,
) -> Cell:
    """Return a training with no mask update for a long time."""
    sparse = method != "dense"
    return Cell.model_validate(
        {
            "backbone": {"name": backbone, "width": "1/16" if options.tiny else 1},
            "data": {"name": "random", "validation": validation},
            "label": method,
            "method": {"name": method, "settings": {}},
            "sparsity": Fraction(9, 10) if sparse else 0,
            "initial_sparsity": Fraction(1, 2) if sparse else 0,
            "seed": 1,
            "training": {
                "epochs": 10**4,
                "batch_size": batch,
                "layout": layout,
                "precision": precision,
                "threads": options.threads,
            },
            "pruning": {"update_every": 10**3, "end_epoch": 5 * 10**3},
        }
    )


def ours(backbone: str, batch: int, layout: str, method: str, options: Options) -> Work:
    """Return a step of our loop."""
    from fggp.training.loop import Run

    trained = cell(backbone, batch, layout, method, options)
    as_trained(options.threads)
    run = Run(trained, dataset(batch), torch.device("cpu"))

    def step() -> None:
        run.step = 0
        run.train_epoch(lambda: False, lambda done, steps: None)

    return Work(step)


def granet(backbone: str, batch: int, options: Options) -> Work:
    """Return a step of the official loop."""
    path: Path | None = options.granet
    found(path)
    from models.vgg import VGG
    from sparselearning.resnet_cifar100 import ResNet50

    full: list[Any] = [64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4]
    narrow = [x if x == "M" else x // 16 for x in full]
    torch.manual_seed(0)
    if backbone == "vgg19":
        widths = narrow if options.tiny else full
        model = VGG(depth=19, dataset="cifar10", batchnorm=True, cfg=widths)
    else:
        model = ResNet50(c=10)
    optimizer = sgd(model)
    pruner = masking(model, optimizer, every=10**6, init_density=0.5)
    images, labels = torch.randn(batch, 3, 32, 32), torch.arange(batch) % 10
    model.train()
    seen = {"loss": 0.0, "correct": 0}

    def step() -> None:
        optimizer.zero_grad()
        output = model(images)
        loss = nll_loss(output, labels)
        seen["loss"] += loss.item()
        predicted = output.argmax(dim=1, keepdim=True)
        seen["correct"] += predicted.eq(labels.view_as(predicted)).sum().item()
        loss.backward()  # type: ignore[no-untyped-call]
        pruner.step()

    return Work(step)
