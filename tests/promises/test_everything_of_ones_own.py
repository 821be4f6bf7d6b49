"""Outside the checkout: another data set, networks from elsewhere, and a method of one's own."""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import made_up_archives
import numpy as np
import pytest
import yaml
from checkout import ROOT, TIMEOUT

import fggp
from fggp.data import prepare

pytestmark = pytest.mark.slow

METHODS = '''
"""Gradual pruning by gradient alone."""

from fggp.methods.registry import register
from fggp.pruning import Cubic, Largest, PruneTo, Recipe, gradient


@register(paper="of the test", starts="both")
def mine() -> Recipe:
    """Prune the smallest gradients over all layers on a cubic schedule."""
    return Recipe(sparsity=Cubic, rule=PruneTo(Largest(gradient)))
'''
NETWORK = '''
"""Two strided convolutions."""

from torch import nn


def build(classes, width):
    inner = int(32 * width)
    return nn.Sequential(
        nn.Conv2d(3, inner, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(inner),
        nn.SiLU(),
        nn.Conv2d(inner, inner, 3, stride=2, padding=1),
        nn.Dropout(0.1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(inner, classes),
    )
'''
STUDY = {
    "data": {"kind": "cifar100", "name": "cifar100", "validation": 100, "train": 200},
    "backbones": {
        "resnet18": {"source": "torchvision", "lr": 0.05},
        "tinynet": {"source": "tinynet:build", "width": "1/4"},
    },
    "sparsities": [0.9],
    "initial_sparsities": [0.5],
    "seeds": [1],
    "plugins": ["methods.py"],
    "methods": {"dense": {}, "gmp": {}, "mine": {}},
    "reference": "mine",
    "training": {"epochs": 2, "batch_size": 50, "pad": 2},
    "pruning": {"update_every": 2, "end_epoch": 1},
}
SIZES = {"train": 300, "test": 100}
CELLS = {
    f"{network}/{cell}/seed1"
    for network in ("resnet18", "tinynet")
    for cell in ("s0/i0/dense", "s90/i50/gmp", "s90/i50/mine")
}


def of_the_package() -> dict[str, str]:
    """Digests of all files of the package."""
    files = Path(fggp.__file__).parent.rglob("*.*")
    return {
        str(it): hashlib.sha256(it.read_bytes()).hexdigest()
        for it in files
        if it.is_file() and it.suffix != ".pyc"
    }


def run(folder: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "fggp", *arguments],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT / "src"), "FGGP_PLUGINS": "", "FGGP_NETWORKS": ""}
        | {"FGGP_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ran.returncode == 0, ran
    assert "Traceback" not in ran.stderr, ran
    return ran.stdout + ran.stderr


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a study, a network and a method, and the images of a made-up archive."""
    for name, text in (("methods.py", METHODS), ("tinynet.py", NETWORK)):
        (tmp_path / name).write_text(text)
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(STUDY))
    (tmp_path / "data").mkdir()
    draw = np.random.default_rng(0)
    pixels = {it: draw.integers(0, 256, (n, 3072), np.uint8) for it, n in SIZES.items()}
    labels = {it: [number % 100 for number in range(n)] for it, n in SIZES.items()}
    made_up_archives.cifar100(tmp_path / "data", monkeypatch, pixels, labels)
    prepare("cifar100", tmp_path / "data/cifar100.npz")
    return tmp_path


def test_all_of_ones_own_is_planned_trained_and_compared(here: Path) -> None:
    before = of_the_package()
    planned = run(here, "plan", "own.yaml", "--cells")
    assert all(f"to do  {cell}" in planned for cell in CELLS)
    assert "basis: resnet18: " in planned
    assert "basis: tinynet: " in planned
    assert "no estimate" not in planned
    assert "next: fggp analyse results/own" in run(here, "run", "own.yaml", "--jobs", "2")

    for cell in CELLS:
        result = json.loads((here / f"results/own/runs/{cell}.json").read_text())
        origin = result["provenance"]["network"]
        if cell.startswith("tinynet"):
            digest = hashlib.sha256(NETWORK.encode()).hexdigest()
            assert origin == {"source": "tinynet:build", "sha256": digest}
            assert result["cell"]["backbone"]["source"] == "tinynet:build"
        else:
            assert origin["source"] == "torchvision:resnet18"
            assert origin["version"]
        layers = result["outcome"]["layers"]
        assert sum(it["kept"] for it in layers) == result["outcome"]["target"]

    assert "6 of 6 cells" in run(here, "status", "own.yaml")
    assert "0 errors" in run(here, "check-results", "results/own")
    run(here, "analyse", "results/own")
    with (here / "results/own/tables/comparisons.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(it["reference"], it["rival"]) for it in rows} == {("mine", "gmp")}
    with (here / "results/own/runs.csv").open(newline="") as file:
        assert {it["backbone"] for it in csv.DictReader(file)} == {"resnet18", "tinynet"}
    page = (here / "results/own/page.html").read_text()
    assert "tinynet" in page
    assert "reference mine" in page
    assert of_the_package() == before
