"""Trainings of networks from outside the package: exact, resumable, and with their source."""

from pathlib import Path

import pytest
import small
import torch
from torch import nn

from fggp.data import Dataset
from fggp.models import open_networks
from fggp.study.cell import Cell, canonical
from fggp.training.checkpoint import Checkpoint
from fggp.training.connectivity import connected
from fggp.training.provenance import code_digest
from fggp.training.train import Stopped, train

CPU = torch.device("cpu")
OWN = """
from torch import nn

def build(classes, side):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, groups=1), nn.GroupNorm(2, 8), nn.GELU(), nn.Dropout(0.3),
        nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU(), nn.AdaptiveAvgPool2d(side // 4),
        nn.Flatten(), nn.Linear(8 * (side // 4) ** 2, classes),
    )
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """A cell of a network with dropout."""
    monkeypatch.setattr(open_networks, "_FILES", {})
    monkeypatch.setenv(open_networks.VARIABLE, "")
    (tmp_path / "mine.py").write_text(OWN)
    open_networks.register_files([tmp_path / "mine.py"])
    plain = small.cell("fggp", start=0.5, lr=0.1).plain()
    return Cell(**plain | {"backbone": {"name": "mine", "width": 1, "source": "mine:build"}})


def test_a_network_that_draws_random_numbers_is_resumed_to_the_same_bytes(
    own: Cell, tmp_path: Path, digits: Dataset
) -> None:
    whole = train(own, digits, device=CPU, store=small.Forgetful())
    store, left = Checkpoint(tmp_path / "c.ckpt", own, "cpu"), iter([False] * 4)
    with pytest.raises(Stopped):
        train(own, digits, device=CPU, store=store, stop=lambda: next(left, True))
    torch.manual_seed(7)
    torch.rand(3)
    again = train(own, digits, device=CPU, store=store)
    assert canonical(again.plain()) == canonical(whole.plain())
    assert (
        whole.weights_sha256
        != train(
            own.model_copy(update={"seed": 2}), digits, device=CPU, store=small.Forgetful()
        ).weights_sha256
    )


def test_its_weights_and_work_are_counted_on_it(own: Cell, digits: Dataset) -> None:
    outcome = train(own, digits, device=CPU, store=small.Forgetful())
    layers = {"0.weight": (216, 256), "4.weight": (72, 256), "8.weight": (1280, 1)}
    assert {it.name for it in outcome.layers} == layers.keys()
    assert outcome.prunable == sum(count for count, _ in layers.values())
    assert outcome.dense_macs == sum(count * positions for count, positions in layers.values())
    assert outcome.kept == outcome.target


def test_the_digest_of_the_code_has_the_file_of_a_network(own: Cell, digits: Dataset) -> None:
    before = code_digest()
    train(own, digits, device=CPU, store=small.Forgetful())
    assert code_digest() != before


def test_a_training_ends_with_its_result_if_the_file_of_its_network_is_deleted(
    own: Cell, digits: Dataset
) -> None:
    train(own, digits, device=CPU, store=small.Forgetful())
    before = code_digest()
    path = open_networks.network_files()[-1]
    kept = path.read_bytes()
    try:
        path.unlink()
        assert code_digest() == before
        path.write_text("raise SystemExit")
        assert code_digest() == before
    finally:
        path.write_bytes(kept)


def test_a_network_that_is_zero_for_a_constant_image_is_not_taken_for_cut() -> None:
    model = nn.Sequential(nn.LayerNorm(4), nn.Flatten(), nn.Linear(48, 2))
    whole = {"2.weight": torch.ones(2, 48, dtype=torch.bool)}
    assert connected(model, whole, (3, 4, 4))
    plain = nn.Sequential(nn.Flatten(), nn.Linear(48, 2))
    assert not connected(plain, {"1.weight": torch.zeros(2, 48, dtype=torch.bool)}, (3, 4, 4))
