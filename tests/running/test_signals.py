"""Ctrl-C while libraries are imported, which then raise whatever they like."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fabricate import grid

import fggp
from fggp.running.signals import ending_at_once
from fggp.study.config import cells

CELL = json.dumps(cells(grid())[0].plain())
TRAIN = ["train", "--cell", CELL, "--data", "no.npz", "--out", "out/seed1.json"]


@pytest.mark.parametrize(
    ("library", "arguments"), [("pydantic", ["methods"]), ("torch", TRAIN)], ids=["start", "torch"]
)
def test_an_import_that_is_interrupted_ends_without_a_word(
    tmp_path: Path, library: str, arguments: list[str]
) -> None:
    (tmp_path / f"{library}.py").write_text(
        "import os, signal\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "raise ImportError('a library that took the interruption for its own')\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(fggp.__file__).parents[1])])
    ran = subprocess.run(
        [sys.executable, "-m", "fggp", *arguments],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == -signal.SIGINT
    assert ran.stdout == ran.stderr == ""


def test_afterwards_it_raises_as_ever() -> None:
    with ending_at_once():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_it_is_ignored_it_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
