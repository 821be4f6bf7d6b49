"""The trainings of the check: the protocol of the study on a few random images."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from fggp.data.dataset import Dataset, save
from fggp.methods import METHODS
from fggp.models.open_networks import takes_width
from fggp.study.cell import Backbone, Cell
from fggp.study.config import BackboneBlock, Study

EPOCHS, PRUNED_EPOCHS = 4, 2
STEPS = 24
"""Full batches of an epoch, which has a smaller one in addition."""
ODD = 7
"""Images of the last batch of an epoch, which has a separate recording."""
CLASSES = 10
TINY_WIDTH, TINY_BATCH, TINY_SIDE, TINY_STEPS = Fraction(1, 32), 16, 16, 6
"""The size on a CPU: enough to show in seconds that the check works."""
NAME = "gpu-check"


def trainings(study: Study, *, tiny: bool) -> dict[str, Cell]:
    """Return the cells that are trained in several ways, at most four, by a descriptive name."""
    first, *_, last = [*study.backbones, *study.backbones]
    own = study.training.precision, study.training.layout
    other = ("bf16", "contiguous") if own != ("bf16", "contiguous") else ("tf32", "channels_last")
    wanted = [
        (first, "fggp", *own),
        (first, "fggp", *other),
        (last, "granet", *own),
        (first, "dense", *own),
    ]
    return {
        " ".join(it): training(study, *it[:2], tiny=tiny, precision=it[2], layout=it[3])
        for it in wanted
    }


def training(study: Study, backbone: str, method: str, *, tiny: bool, **protocol: Any) -> Cell:
    """Return a short training of a network of the study by a method with its default settings.

    Args:
        study: study with the network, the protocol and the dense layers.
        backbone: one of its networks.
        method: any method that starts from its own mask or from none.
        tiny: whether it is narrow, for a CPU.
        protocol: values that replace those of the study, such as ``precision``.

    """
    block, masked = study.backbones[backbone], METHODS[method].starts != "none"
    plain = study.training.model_dump(mode="json") | {"epochs": EPOCHS} | protocol
    if block.lr is not None:
        plain["lr"] = str(block.lr)
    if tiny:
        plain |= {"batch_size": TINY_BATCH, "threads": 1}
    sparsity = Fraction(1, 2) if tiny else min(study.sparsities)
    return Cell.model_validate(
        {
            "backbone": network(backbone, block, tiny=tiny),
            "data": {"name": NAME, "validation": 0},
            "label": method,
            "method": {"name": method, "settings": METHODS[method].defaults},
            "sparsity": sparsity if masked else 0,
            "initial_sparsity": 0,
            "seed": 1,
            "training": plain,
            "pruning": {
                "update_every": 3 if tiny else 10,
                "end_epoch": PRUNED_EPOCHS,
                "dense": study.pruning.dense,
            },
        }
    )


def network(name: str, block: BackboneBlock, *, tiny: bool) -> Backbone:
    """Return a network of a study; ``tiny`` makes it narrow if its width can be chosen."""
    made = block.backbone(name)
    narrow = tiny and (block.source is None or takes_width(name, block.source))
    return made.model_copy(update={"width": TINY_WIDTH}) if narrow else made


def images(batch_size: int, side: int, *, steps: int, odd: int = ODD) -> Dataset:
    """Return random images for epochs of ``steps`` full batches and one of ``odd`` images."""
    random = np.random.default_rng(0)
    count, test = steps * batch_size + odd, 50

    def drawn(number: int) -> Any:
        return random.integers(0, 256, (number, 3, side, side), dtype=np.uint8)

    names, third = tuple(map(str, range(CLASSES))), (0.5, 0.5, 0.5)
    labels, asked = np.arange(count) % CLASSES, np.arange(test) % CLASSES
    return Dataset(drawn(count), labels, drawn(test), asked, names, third, third)


def write_images(study: Study, side: int, path: Path, *, tiny: bool) -> None:
    """Write the images of all `trainings` to a data file."""
    if tiny:
        save(images(TINY_BATCH, TINY_SIDE, steps=TINY_STEPS), path)
    else:
        save(images(study.training.batch_size, side, steps=STEPS), path)
