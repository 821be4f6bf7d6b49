"""One new file adds a network or a kind of data: it trains, and every command works with it."""

import json
import re
import sys
from pathlib import Path

import pytest
from checkout import TINY, Checkout

NETWORK = '''"""Unlike those that ship: a class of its own, strided from the start, no ReLU."""

from fractions import Fraction

from torch import Tensor, nn

from fggp.models.registry import backbone, channels


class Strided(nn.Module):
    def __init__(self, width: Fraction, classes: int) -> None:
        super().__init__()
        inner = channels(64, width)
        self.stem = nn.Conv2d(3, inner, 4, stride=2)
        self.norm = nn.BatchNorm2d(inner)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1)
        self.head = nn.Linear(inner, classes)

    def forward(self, images: Tensor) -> Tensor:
        found = nn.functional.gelu(self.norm(self.stem(images)))
        found = found + nn.functional.gelu(self.mix(found))
        return self.head(found.mean((2, 3)))


@backbone()
def strided(width: Fraction, classes: int) -> nn.Module:
    return Strided(width, classes)
'''

DATA = '''"""Coloured noise in two classes."""

import numpy as np

from fggp.data.dataset import Dataset
from fggp.data.images import mean_and_std
from fggp.data.registry import Request, source
from fggp.data.sizes import Size


@source(size=Size(200, 60, 20), gpu=False)
def noise(request: Request) -> Dataset:
    """Return images that are darker in one class."""
    draw = np.random.default_rng(0)
    labels = np.arange(260) % 2
    most = np.where(labels, 256, 128)[:, None, None, None]
    images = draw.integers(0, most, (260, 3, 20, 20)).astype(np.uint8)
    mean, std = mean_and_std(images[:200], "noise")
    return Dataset(
        train_images=images[:200],
        train_labels=labels[:200],
        test_images=images[200:],
        test_labels=labels[200:],
        classes=("dark", "light"),
        mean=mean,
        std=std,
    )
'''

SMALL = TINY | {"initial_sparsities": [0.5], "methods": {"dense": {}, "fggp": {}}}
# In one process: most of the time would go into starting others.
COMMANDS = """
import contextlib, io, json, sys
from fggp.cli import main

ran = {}
for line in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            status = main(line.split())
        except SystemExit as ended:
            status = ended.code
    ran[line] = [status, out.getvalue()]
print(json.dumps(ran))
"""


def every_command(checkout: Checkout, study: str, backbone: str) -> dict[str, str]:
    """Train a study and look at it with every command; returns what each wrote."""
    cells = [f"{backbone}/s0/i0/dense/seed1", f"{backbone}/s90/i50/fggp/seed1"]
    before = [f"plan {study} --write", f"status {study}", f"doctor {study}"]
    after = [f"plan {study} --cells", f"status {study} --json", f"check-results results/{study}"]
    lines = [*before, *(f"train {study} {cell}" for cell in cells), *after, f"analyse {study}"]
    python = (sys.executable, "-c", COMMANDS, json.dumps(lines))
    ran = json.loads(checkout.run(*python).out.splitlines()[-1])
    for line, (status, text) in ran.items():
        assert status == (75 if line == f"status {study}" else 0), (line, text)
        assert "Traceback" not in text, line
    assert all(checkout.result(cell, study).exists() for cell in cells)
    assert (checkout / f"results/{study}/page.html").exists()
    return {line: text for line, (_, text) in ran.items()}


def refusal(checkout: Checkout, study: str) -> str:
    """The line with which ``plan`` refuses a study."""
    return checkout.fggp("plan", study, status=1).complaint


@pytest.fixture
def copy(tmp_path: Path) -> Checkout:
    return Checkout.fresh(tmp_path / "copy")


@pytest.mark.slow
def test_a_network_is_one_file(copy: Checkout) -> None:
    (copy / "src/fggp/models/strided.py").write_text(NETWORK)
    copy.study("wide", **SMALL | {"backbones": {"strided": {"width": 0.125}}})
    ran = every_command(copy, "wide", "strided")
    basis = re.search(r"basis: strided: (.*)", ran["plan wide --write"])
    assert basis
    assert basis[1].endswith("of a forward pass, at the pace of resnet50")
    assert "no estimate" not in ran["status wide"]
    copy.study("typo", **SMALL | {"backbones": {"stride": {}}})
    assert "'stride' is not valid; did you mean 'strided'?" in refusal(copy, "typo")


@pytest.mark.slow
def test_a_kind_of_data_is_one_file(copy: Checkout) -> None:
    (copy / "src/fggp/data/sources/noise.py").write_text(DATA)
    data = {"kind": "noise", "name": "noise", "validation": 40}
    copy.study("noisy", **SMALL | {"data": data})
    ran = every_command(copy, "noisy", "vgg19")
    assert "data/noise.npz is made when it is needed" in ran["doctor noisy"]
    copy.study("typo", **SMALL | {"data": data | {"kind": "nose"}})
    assert "'nose' is not valid; did you mean 'noise'?" in refusal(copy, "typo")
