"""Trainings by the keys of the authors' protocol: smoothing, black borders, no validation."""

from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import small
import torch
from scipy.optimize import minimize

from fggp.data import Dataset
from fggp.study.cell import Cell, Training
from fggp.training.loss import best_constant, loss_of
from fggp.training.train import Stopped, train

METHODS = {
    "dense": {},
    "gmp": {},
    "granet": {},
    "fggp": {},
    "combined": {"score": "rank-sum"},
    "rigl": {},
    "dpf": {"period": 2},
}


def cell(method: str, start: float = 0) -> Cell:
    return small.by_the_authors(small.cell(method, start=start, settings=METHODS[method]))


class Kept:
    """A store of checkpoints in memory."""

    state: dict[str, Any] | None = None

    def save(self, state: dict[str, Any]) -> None:
        self.state = {**state, "epochs": [*state["epochs"]]}

    def load(self) -> dict[str, Any] | None:
        return self.state


@pytest.mark.parametrize("method", METHODS)
def test_a_training_meets_its_target_and_resumes_to_the_same_bits(
    digits: Dataset, method: str
) -> None:
    start = 0.5 if method in {"gmp", "granet", "fggp", "combined"} else 0
    run = partial(train, cell(method, start), digits, device=torch.device("cpu"))
    whole = run(store=small.Forgetful()).plain()
    first = whole["layers"][0]
    assert first["kept"] == np.prod(first["shape"])
    assert sum(layer["kept"] for layer in whole["layers"]) == whole["target"]
    assert whole["images"]["validation"] == 0
    assert set(whole["accuracy"]) == {"last", "best_test"}
    updates = [row["step"] for row in whole["updates"]]
    assert all(step <= 0.8 * 9 for step in updates) or method in {"rigl", "granet", "dpf"}
    store, asked = Kept(), iter([False] * 4 + [True])
    with pytest.raises(Stopped):
        run(store=store, stop=lambda: next(asked))
    assert run(store=store).plain() == whole


def test_the_loss_has_label_smoothing_where_the_cell_asks_for_it() -> None:
    outputs, labels = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)), torch.arange(5)
    labels = labels % 3
    target = torch.full((5, 3), 0.1 / 3)
    target[torch.arange(5), labels] += 0.9
    by_hand = -(target * outputs.log_softmax(1)).sum(1).mean()
    smoothed = loss_of(Training(label_smoothing=0.1))(outputs, labels)
    assert torch.allclose(smoothed, by_hand)
    plain = torch.nn.functional.cross_entropy(outputs, labels)
    assert torch.equal(loss_of(Training())(outputs, labels), plain)


@pytest.mark.parametrize("smoothing", [Fraction(0), Fraction(1, 10)])
def test_no_constant_answer_has_a_lower_loss(smoothing: Fraction) -> None:
    counts = [5, 1, 2]
    labels = torch.tensor([0] * 5 + [1] + [2] * 2)
    loss = loss_of(Training(label_smoothing=smoothing))

    def of_constant(logits: np.ndarray) -> float:
        return float(loss(torch.tensor(logits).expand(8, 3), labels))

    found = minimize(of_constant, np.zeros(3), method="Nelder-Mead", options={"fatol": 1e-12})
    assert best_constant(counts, smoothing) == pytest.approx(found.fun, abs=1e-6)


FULL_WIDTH = {
    "vgg19": (20_024_000, 1_001_200, 1728),
    "resnet50": (23_467_712, 1_173_386, 1728),
}
"""Prunable weights, those that 95 % keeps, and those of the first convolution among them."""


@pytest.mark.slow
@pytest.mark.parametrize("backbone", FULL_WIDTH)
def test_at_full_width_the_counts_are_exact(digits: Dataset, backbone: str) -> None:
    plain = small.by_the_authors(small.cell("fggp", sparsity=0.95, every=1)).plain()
    plain["backbone"] = {"name": backbone, "width": 1}
    plain["data"] |= {"train": 96}
    plain["training"] |= {"epochs": 1, "lr": 0.01}
    outcome = train(Cell(**plain), digits, device=torch.device("cpu"), store=small.Forgetful())
    prunable, kept, first = FULL_WIDTH[backbone]
    assert (outcome.prunable, outcome.target, outcome.kept) == (prunable, kept, kept)
    assert outcome.layers[0].kept == first
