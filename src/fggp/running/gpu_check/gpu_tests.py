"""Run the tests of the repository that need a GPU, if they and pytest are installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import fggp
from fggp.running.commands import run
from fggp.running.doctor.finding import Finding, ok, unchecked, wrong
from fggp.running.gpu_check.asking import PATIENCE_SECONDS
from fggp.running.gpu_check.parts import Bench

NAME = "gpu tests"
MARK = "pytest.mark.gpu"


def gpu_tests(bench: Bench) -> Iterator[Finding]:
    """Run the tests that are marked ``gpu``."""
    if bench.device == "cpu":
        yield unchecked(NAME, "they need a GPU")
        return
    files = marked(Path(fggp.__file__).parents[2] / "tests")
    if not files:
        yield unchecked(NAME, "the tests are not installed", "run in a checkout of the repository")
        return
    if find_spec("pytest") is None:
        yield unchecked(NAME, "pytest is not installed", "pip install pytest")
        return
    options = ("-q", "-m", "gpu", "-p", "no:cacheprovider", "--no-header", "--tb=short")
    ran = run([sys.executable, "-m", "pytest", *options, *map(str, files)], PATIENCE_SECONDS)
    lines = [line for line in ran.out.splitlines() if line.strip()]
    last = lines[-1] if lines else ran.complaint
    if ran.status:
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        yield wrong(NAME, "; ".join([last, *failed])[:600], "python -m pytest -m gpu tests")
    else:
        yield ok(NAME, last)


def marked(folder: Path) -> list[Path]:
    """Return the test files with a test that needs a GPU; the others need not be importable."""
    return [
        path
        for path in sorted(folder.rglob("test_*.py"))
        if MARK in path.read_text(encoding="utf-8")
    ]
