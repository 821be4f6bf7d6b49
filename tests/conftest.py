"""Fixtures for all tests; the modules that tests share are in tests/support."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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
from default_signals import hear_the_terminal

from fggp.data import Dataset, load, prepare
from fggp.study import gpu_measurements

if TYPE_CHECKING:
    from stand_in_gpu import GPU

__all__ = ["by_hand", "fresh", "study", "study_by_hand", "trained", "undisturbed", "untrained"]

# Threads that wait actively make tiny operations slow on a busy machine. PyTorch reads this when it
# is imported, which nothing did so far; so do the processes that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")

hear_the_terminal()


@pytest.fixture(scope="session", autouse=True)
def unmeasured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Estimates as where no GPU was checked, whatever ``make gpu-check`` left in this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_measurements, "FOLDER", tmp_path_factory.mktemp("gpu-check"))
        yield


def pytest_collection_finish() -> None:
    """Exclude the objects that exist before the first test from all garbage collections.

    statsmodels starts a collection with every family of p; each would cover all tests and modules.
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


@pytest.fixture
def gpu() -> Iterator[GPU]:
    """A stand-in GPU, on which nothing has happened yet."""
    from stand_in_gpu import stand_in_gpu

    with stand_in_gpu() as gpu:
        yield gpu
