"""Fixtures for all tests; the modules that tests share are in tests/support."""

import gc
import os
import signal
from pathlib import Path

import pytest
from checkouts import (
    by_hand,
    fresh,
    study,
    study_by_hand,
    trained,
    undisturbed,
    untrained,
)

from fggp.data import Dataset, load, prepare

__all__ = ["by_hand", "fresh", "study", "study_by_hand", "trained", "undisturbed", "untrained"]

# Threads that wait actively make tiny operations slow on a busy machine. PyTorch reads this when it
# is imported, which nothing did so far; so do the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell in the background and nohup have Ctrl-C ignored, and so would all processes that tests
# start, even where a test sends it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Leave out of all collections of garbage what is there before the first test.

    statsmodels asks for one with every family of p, each over all tests and modules otherwise.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits as a prepared file, which tests read and leave as it is."""
    return prepare("digits", tmp_path_factory.mktemp("data") / "digits.npz")


@pytest.fixture(scope="session")
def digits(data: Path) -> Dataset:
    """The digits of that file."""
    return load(data)
