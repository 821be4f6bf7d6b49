"""A Slurm, and checkouts to run in it."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checkout import TINY, Checkout
from filelock import FileLock
from PIL import Image
from slurm_lab import EPOCHS, Lab
from slurm_node import Slurm, missing

# Tiny pictures in a folder: the digits would ask for no GPU.
WIDE = TINY | {
    "data": {"kind": "folder", "name": "pictures", "path": "pictures.zip", "validation": 40},
    "backbones": {"vgg19": {"width": 0.0625, "lr": 0.05}},
    "training": {"epochs": 3, "batch_size": 8, "pad": 1},
    "initial_sparsities": [0.5],
    "methods": {"fggp": {}, "gmp": {}},
    "seeds": [1, 2],
}
# Trainings that are long enough to be disturbed on the way.
LONG = WIDE | {"training": {"epochs": EPOCHS, "batch_size": 8, "pad": 1}, "methods": {"fggp": {}}}


@pytest.fixture(scope="session")
def slurm() -> Iterator[Slurm]:
    """A Slurm for all tests; one at a time on a machine."""
    if reason := missing():
        pytest.skip(reason)
    with FileLock("/tmp/fggp-slurm.lock"):
        slurm = Slurm()
        try:
            slurm.start()
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no Slurm starts on this machine: {error}")
        yield slurm
        slurm.stop()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Both studies, trained without Slurm and without disturbance; not to be changed."""
    checkout = Checkout.fresh(tmp_path_factory.mktemp("undisturbed") / "checkout")
    checkout.study("wide", **WIDE)
    checkout.study("long", **LONG)
    pictures(checkout / "data/pictures.zip")
    for study in ("wide", "long"):
        checkout.fggp("prepare", study)
        checkout.fggp("run", study, "--jobs", "2")
    return checkout


@pytest.fixture
def lab(undisturbed: Checkout, slurm: Slurm, tmp_path: Path) -> Iterator[Lab]:
    """A checkout in which nothing is trained, and a Slurm without jobs."""
    checkout = undisturbed.copy(tmp_path / "checkout")
    shutil.rmtree(checkout / "results")
    yield Lab(checkout, slurm)
    checkout.end()
    slurm.clear()


def pictures(path: Path) -> None:
    """Write a data set of random pictures, in two classes."""
    path.parent.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for part, count in (("train", 120), ("test", 40)):
            for number in range(count):
                pixels = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                pixels[:, :, number % 2] //= 2
                file = io.BytesIO()
                Image.fromarray(pixels).save(file, "PNG")
                archive.writestr(f"{part}/{'ab'[number % 2]}/{number}.png", file.getvalue())
