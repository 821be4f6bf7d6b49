"""Checkouts for the tests of the workflow; what takes long is made once and copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checkout import TINY, Checkout
from once import made_once

LONG = TINY | {
    "initial_sparsities": [0.5],
    "methods": {"fggp": {}},
    "training": {"epochs": 8, "batch_size": 32, "pad": 1, "flip": False},
    "pruning": {"update_every": 5, "end_epoch": 6},
}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout in which nothing has been done."""
    checkout = Checkout.fresh(tmp_path / "fresh")
    yield checkout
    checkout.end()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Study ``tiny``, done by Snakemake; not to be changed."""

    def make(checkout: Checkout) -> None:
        ran = checkout.snakemake("--cores", "2")
        (checkout / "first.txt").write_text(ran.out + ran.err)

    return _made_once(tmp_path_factory, "trained", make)


@pytest.fixture(scope="session")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Study ``few``, trained by ``fggp run`` in two goes, not analysed; not to be changed."""

    def make(checkout: Checkout) -> None:
        checkout.fggp("prepare", "few")
        checkout.pause(1)  # so that the first training is still there when the time is over
        first = checkout.fggp("run", "few", "--minutes", "0.05", status=75)
        checkout.pause_no_more()
        done = len(checkout.fingerprints("few"))
        second = checkout.fggp("run", "few", "--jobs", "2")
        goes = {"first": str(first), "done": done, "second": str(second)}
        (checkout / "goes.json").write_text(json.dumps(goes))

    return _made_once(tmp_path_factory, "by_hand", make)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Study ``long``, one cell of many epochs, trained in one go; not to be changed."""

    def make(checkout: Checkout) -> None:
        checkout.study("long", **LONG)
        checkout.fggp("train", "long", "vgg19/s90/i50/fggp/seed1")

    return _made_once(tmp_path_factory, "undisturbed", make)


@pytest.fixture
def study(trained: Checkout, tmp_path: Path) -> Checkout:
    """A copy of ``trained`` to change."""
    return trained.copy(tmp_path / "study")


@pytest.fixture
def study_by_hand(by_hand: Checkout, tmp_path: Path) -> Checkout:
    """A copy of ``by_hand`` to change."""
    return by_hand.copy(tmp_path / "by_hand")


@pytest.fixture
def untrained(undisturbed: Checkout, tmp_path: Path) -> Iterator[Checkout]:
    """A copy of ``undisturbed`` without its results, but with the data."""
    checkout = undisturbed.copy(tmp_path / "untrained")
    shutil.rmtree(checkout / "results")
    yield checkout
    checkout.end()


def _made_once(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Checkout], None]
) -> Checkout:
    """Make a checkout once for all workers of ``pytest -n``."""
    return Checkout(made_once(factory, name, lambda path: make(Checkout.fresh(path))))
