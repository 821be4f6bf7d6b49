"""A made-up study that is analysed once, and read by many tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fabricate import fabricate, grid
from once import made_once

FALLING = {"schedule": "cosine", "start": "1/2", "end": 0.005}
ARMS: dict[str, Any] = {
    "dense": {},
    "gmp": {},
    "fggp": {},
    "fggp-annealed": {"method": "fggp", "rho": FALLING},
    "fggp-magnitude-first": {"method": "fggp", "order": "magnitude-first"},
    "fggp-magnitude-first-annealed": {
        "method": "fggp", "order": "magnitude-first", "rho": FALLING,
    },
}  # fmt: skip

SCRIPT = """
import json, sys
from fggp.analysis import figure_style
from fggp.cli import main

figure_style.DPI = 50
for line in json.loads(sys.argv[1]):
    if status := main(line):
        sys.exit(status)
"""


@dataclass(frozen=True)
class Analysed:
    """A study and what ``fggp analyse --out`` wrote of it; neither is to be changed."""

    study: Path
    before: dict[str, str]
    """SHA-256 of the files of the study, by name, before it was analysed."""
    out: Path
    printed: list[Path]


def sums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of all files below a folder, by name."""
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def without_torch(lines: list[list[str]], blocked: Path) -> str:
    """Run commands of fggp in one process that cannot import torch; returns what they print.

    Figures have a resolution that is fast to draw. ``blocked`` is a folder to be made.
    """
    blocked.mkdir()
    for name in ("torch", "torchvision"):
        (blocked / f"{name}.py").write_text("raise ImportError('it is not installed')")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(lines)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(blocked), *sys.path])},
    )
    assert ran.returncode == 0, ran
    return ran.stdout


@pytest.fixture(scope="session")
def analysed_once(tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    """Study ``small`` with every arm of the figures, analysed where there is no torch."""

    def make(path: Path) -> None:
        study = path / "results/small"
        fabricate(study, grid(methods=ARMS, sparsities=[0.9], initial_sparsities=[0]))
        (path / "before.json").write_text(json.dumps(sums(study)))
        line = ["analyse", str(study), "--out", str(path / "deep/out")]
        (path / "printed.txt").write_text(without_torch([line], path / "blocked"))

    path = made_once(tmp_path_factory, "analysed", make)
    before = json.loads((path / "before.json").read_text())
    printed = [Path(line) for line in (path / "printed.txt").read_text().splitlines()]
    return Analysed(path / "results/small", before, path / "deep/out", printed)
