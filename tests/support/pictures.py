"""A study of pictures: one that asks for a GPU, and needs no download."""

from __future__ import annotations

import numpy as np
from checkout import FEW, Checkout
from PIL import Image

PICTURES = {"kind": "folder", "name": "pictures", "path": "pictures", "validation": 20}


def add_pictures(checkout: Checkout) -> None:
    """Let ``few`` be a study of 120 pictures to train on and 20 to test, of 16 pixels."""
    random = np.random.default_rng(0)
    for place in ("train/a", "train/b", "test/a", "test/b"):
        folder = checkout / f"data/pictures/{place}"
        folder.mkdir(parents=True)
        for number in range(60 if "train" in place else 10):
            pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    checkout.study("few", **FEW | {"data": PICTURES})
