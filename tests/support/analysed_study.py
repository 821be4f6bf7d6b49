"""A made-up study that is analysed once, and read by many tests."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fabricate import fabricate, grid
from once import made_once

from fggp.analysis import figure_style
from fggp.cli import main

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


@pytest.fixture(scope="session")
def analysed_once(tmp_path_factory: pytest.TempPathFactory) -> Analysed:
    """Study ``small`` with every arm of the figures, at a resolution that is fast to draw."""

    def make(path: Path) -> None:
        study, printed = path / "results/small", io.StringIO()
        fabricate(study, grid(methods=ARMS, sparsities=[0.9], initial_sparsities=[0]))
        (path / "before.json").write_text(json.dumps(sums(study)))
        with pytest.MonkeyPatch.context() as patched, redirect_stdout(printed):
            patched.setattr(figure_style, "DPI", 50)
            assert main(["analyse", str(study), "--out", str(path / "deep/out")]) == 0
        (path / "printed.txt").write_text(printed.getvalue())

    path = made_once(tmp_path_factory, "analysed", make)
    before = json.loads((path / "before.json").read_text())
    printed = [Path(line) for line in (path / "printed.txt").read_text().splitlines()]
    return Analysed(path / "results/small", before, path / "deep/out", printed)
