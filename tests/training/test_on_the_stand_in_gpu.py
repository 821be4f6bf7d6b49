"""A training on a stand-in GPU comes to the bytes of one on the CPU, and seldom makes it wait."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from stand_in_gpu import GPU
from torch import Tensor

from fggp import METHODS
from fggp.data import Dataset
from fggp.study.cell import Cell, canonical
from fggp.training.build import network_of
from fggp.training.checkpoint import Checkpoint
from fggp.training.loop import Run
from fggp.training.train import Stopped, train

pytestmark = pytest.mark.long

CPU = torch.device("cpu")
RESNET50 = {"name": "resnet50", "width": "1/32"}
LAYOUTS = ("contiguous", "channels_last", "by_stage")
SETTINGS: dict[str, dict[str, Any]] = {"imp": {"share": 0.7}, "synflow": {"rounds": 5}}


def cell(name: str, *, every: int = 1, epochs: int = 2, **training: Any) -> Cell:
    """Return a cell of epochs of two batches: two plain steps, then recorded ones."""
    given = {"end": 2, "batch_size": 45, "settings": SETTINGS.get(name)} | training
    return small.cell(name, start=0.5, every=every, epochs=epochs, **given)


longer = partial(cell, every=2, epochs=3)


def on(backbone: Mapping[str, str], asked: Cell) -> Cell:
    return Cell(**asked.plain() | {"backbone": asked.plain()["backbone"] | backbone})


@pytest.fixture(scope="module")
def trained(digits: Dataset) -> Mapping[str, Tensor]:
    """A dense network, for methods that start from a trained one."""
    state = network_of(cell("dense"), len(digits.classes), CPU).state_dict()
    state["classifier.weight"] *= 20  # training makes it so; it begins smaller than all others
    return state


Trained = Callable[..., bytes]


@pytest.fixture(scope="module")
def outcome(digits: Dataset, trained: Mapping[str, Tensor]) -> Trained:
    """Return a function that trains a cell and returns the bytes of its outcome."""

    def outcome(wanted: Cell, device: torch.device, **named: Any) -> str:
        given = {"store": small.Forgetful(), "trained": trained} | named
        return canonical(train(wanted, digits, device=device, **given).plain())

    return outcome


@pytest.fixture(scope="module")
def on_the_cpu(outcome: Trained) -> Callable[[Cell], str]:
    """Return a function that does the same on the CPU, once for each cell."""
    known: dict[str, str] = {}

    def plain(wanted: Cell) -> str:
        if wanted.canonical() not in known:
            known[wanted.canonical()] = outcome(wanted, CPU)
        return known[wanted.canonical()]

    return plain


def assert_equal(one: str, other: str) -> None:
    """Compare two outcomes, and name what differs."""
    mine, plain = json.loads(one), json.loads(other)
    assert [key for key in plain if mine[key] != plain[key]] == []
    assert one == other


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_to_the_bytes_of_the_cpu(
    name: str, gpu: GPU, outcome: Trained, on_the_cpu: Callable[[Cell], str]
) -> None:
    # Fine-tuning is shorter than a training.
    wanted = longer(name) if METHODS[name].recipe().fine_tune else cell(name)
    assert_equal(outcome(wanted, gpu.device), on_the_cpu(wanted))
    assert gpu.replays >= gpu.recordings
    if METHODS[name].masking == "hard":
        assert gpu.recordings > 0


FAMILIES = {"dense", "fggp", "granet", "imp", "dpf", "deep-r", "decaying-mask", "global-mp", "snip"}


@pytest.mark.parametrize(
    "name",
    [it if it in FAMILIES else pytest.param(it, marks=pytest.mark.slow) for it in METHODS],
)
def test_every_method_resumes_to_the_bytes_of_the_cpu(
    name: str, tmp_path: Path, gpu: GPU, outcome: Trained, on_the_cpu: Callable[[Cell], str]
) -> None:
    wanted = longer(name)
    store = Checkpoint(tmp_path / "c.ckpt", wanted, gpu.device.type)
    left = iter(range(3))  # in the middle of an epoch, after an update
    with pytest.raises(Stopped):
        outcome(wanted, gpu.device, store=store, stop=lambda: next(left, None) is None)
    assert store.path.exists()
    assert_equal(outcome(wanted, gpu.device, store=store), on_the_cpu(wanted))


KINDS = {
    "resnet50": on(RESNET50, longer("fggp", lr=0.1)),
    "channels last": longer("fggp", layout="channels_last"),
    "by stage": longer("fggp", layout="by_stage"),
    "an odd last batch": longer("fggp", batch_size=32),
    "the authors' protocol": small.by_the_authors(longer("fggp")),
}
MORE = {
    "the authors' protocol, rank sums": small.by_the_authors(
        longer("combined", settings={"score": "rank-sum"})
    ),
    "weights after the step": longer("fggp", settings={"weights": "stepped"}),
    "a mean of gradients": longer("fggp", settings={"gradient_steps": 2}),
}


@pytest.mark.parametrize(
    "wanted",
    [
        *(pytest.param(wanted, id=name) for name, wanted in KINDS.items()),
        *(pytest.param(wanted, id=name, marks=pytest.mark.slow) for name, wanted in MORE.items()),
    ],
)
def test_every_kind_of_training_comes_to_the_bytes_of_the_cpu(
    wanted: Cell, gpu: GPU, outcome: Trained, on_the_cpu: Callable[[Cell], str]
) -> None:
    assert_equal(outcome(wanted, gpu.device), on_the_cpu(wanted))
    assert gpu.replays > gpu.recordings


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backbone", ["vgg19", "resnet50"])
@pytest.mark.parametrize("name", ["granet", "imp", "dpf", "snip", "deep-r", "mest"])
def test_both_backbones_train_in_every_layout_to_the_bytes_of_the_cpu(
    name: str, backbone: str, layout: str, gpu: GPU, outcome: Trained
) -> None:
    wanted = on({"name": backbone}, small.by_the_authors(cell(name, lr=0.1, layout=layout)))
    assert_equal(outcome(wanted, gpu.device), outcome(wanted, CPU))


class Waits:
    """The waits and copies of each step of a training.

    Attributes:
        free: of steps without a mask update, by number.
        updating: of steps with one.

    """

    def __init__(self, wanted: Cell, dataset: Dataset, gpu: GPU, trained: Mapping[str, Tensor]):
        self.free: dict[int, int] = {}
        self.updating: dict[int, int] = {}
        self.closing: list[int] = []
        self._gpu, self._seen = gpu, 0
        self.run = Run(wanted, dataset, gpu.device, trained)
        timing = self.run.pruner.method
        while self.run.goes_on:
            self.run.train_epoch(self._begin, partial(self._end, timing.update_at))
            self._begin()
            self.run.close_epoch()
            self.closing.append(self._since())

    def _begin(self) -> bool:
        self._seen, self._made = self._count, self._gpu.recordings
        return False

    def _since(self) -> int:
        return self._count - self._seen

    def _end(self, update_at: Callable[[int], int | None], done: int, steps: int) -> None:
        recorded = self._gpu.recordings > self._made
        to = self.free if update_at(done) is None else self.updating
        to[done] = self._since() - RECORDING * recorded

    @property
    def _count(self) -> int:
        return self._gpu.waits.total() + self._gpu.uploads.total()


RECORDING = 1
"""A recorded step is compared with a plain one, which the host waits for once."""


@pytest.mark.parametrize("name", ["dense", "granet", "fggp", "dpf"])
def test_between_mask_updates_the_host_waits_for_nothing(
    name: str, gpu: GPU, digits: Dataset, trained: Mapping[str, Tensor]
) -> None:
    waits = Waits(longer(name), digits, gpu, trained)
    assert len(waits.free) >= 3
    assert set(waits.free.values()) == {0}


MOST = {"gmp": 12, "fggp": 20, "iss": 20, "sr-ste": 10, "decaying-mask": 10, "deep-r": 30}


@pytest.mark.parametrize("name", MOST)
def test_an_update_over_all_layers_waits_a_few_times_however_many_these_are(
    name: str, gpu: GPU, digits: Dataset, trained: Mapping[str, Tensor]
) -> None:
    waits = Waits(longer(name), digits, gpu, trained)
    assert waits.updating
    assert max(waits.updating.values()) <= MOST[name]


def test_the_end_of_an_epoch_waits_a_few_times_however_many_tensors_there_are(
    gpu: GPU, digits: Dataset, trained: Mapping[str, Tensor]
) -> None:
    waits = Waits(longer("fggp"), digits, gpu, trained)
    assert len(waits.run.model.state_dict()) > 90
    assert max(waits.closing) <= 10
