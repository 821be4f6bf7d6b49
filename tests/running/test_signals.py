"""Requests to stop, held back or as a flag, and Ctrl-C while libraries are imported.

These then raise whatever they like.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fabricate import grid

import fggp
from fggp.running.signals import SIGNALS, ending_at_once, stopping, uninterrupted
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


@pytest.mark.parametrize("number", SIGNALS)
def test_a_request_to_stop_is_a_flag(number: int) -> None:
    before = signal.getsignal(number)
    with stopping() as asked:
        assert not asked()
        signal.raise_signal(number)
        assert asked()
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_what_a_terminal_sends_is_no_request_where_it_is_ignored(number: int) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stopping() as asked:
            signal.raise_signal(number)
            assert not asked()
            signal.raise_signal(signal.SIGTERM)
            assert asked()
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_what_may_not_be_interrupted_delays_a_request_until_it_is_finished() -> None:
    with stopping() as asked:
        with uninterrupted():
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
                signal.raise_signal(number)
            assert not asked()
        assert asked()
