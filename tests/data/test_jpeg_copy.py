"""The script on docs/running.md makes a folder of JPEG files that a study can name."""

from pathlib import Path

import numpy as np
import pytest
import torchvision
from markdown_pages import ROOT, blocks
from PIL import Image

NAMES = ("cat", "dog")


class Few(list[tuple[Image.Image, int]]):
    """A data set in the form of torchvision's CIFAR-10: three images, two of them cats."""

    classes = NAMES

    def __init__(self, folder: str, *, train: bool, download: bool) -> None:
        assert (folder, download) == ("data", True)
        pixels = np.random.default_rng(train).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
        super().__init__(zip(map(Image.fromarray, pixels), (0, 1, 0), strict=True))


def test_the_script_writes_every_image_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (script,) = blocks((ROOT / "docs/running.md").read_text(), "python")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Few)
    exec(script.text, {})
    written = sorted(Path("data/cifar10-jpeg").rglob("*.*"))
    names = ("cat/0000.jpg", "cat/0001.jpg", "dog/0000.jpg")
    expected = [f"data/cifar10-jpeg/{part}/{name}" for part in ("test", "train") for name in names]
    assert [path.as_posix() for path in written] == expected
    with Image.open(written[0]) as image:
        assert image.size == (32, 32)
