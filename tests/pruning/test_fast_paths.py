"""The fast paths give the same bits as the plain ones, and do not wait for the device."""

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import fggp
from fggp.data import load
from fggp.foundation.random_streams import stream
from fggp.pruning.mask_update import Update
from fggp.pruning.timing import Timing
from fggp.pruning.vectors import extremes
from fggp.training.build import scoring_batches
from fggp.training.loop import Run

TIMING = Timing(steps=24, begin=0, end=12, every=3)
CPU = torch.device("cpu")
STARTS = {name: definition.starts for name, definition in fggp.METHODS.items()}


cell = partial(small.cell, sparsity=0.9, start=0.5, lr=0.05)


def bits(tensor: Tensor) -> Tensor:
    """Return what tells even zeros of different sign apart."""
    return tensor.detach().contiguous().view(torch.int32)


def test_weights_that_an_update_zeroes_keep_the_sign_that_a_product_with_the_mask_has() -> None:
    weight = torch.tensor([1.0, -1.0, -2.0, 3.0, 0.0, -0.0])
    mask = torch.tensor([True, False, True, False, True, False])
    update = Update(
        weight=weight,
        dense_gradient=None,
        mask=torch.ones(6, dtype=torch.bool),
        survived=torch.ones(6, dtype=torch.bool),
        sizes=(6,),
        keep=3,
        window=Fraction(1),
        training=Fraction(1),
        random=stream(1, "update", 1),
    )
    assert torch.equal(bits(update.to(mask).weight), bits(weight * mask))
    none = replace(update, survived=mask).to(~mask).weight
    assert torch.equal(bits(none), bits(weight * torch.zeros_like(mask)))
    endless = replace(update, weight=torch.tensor([1, -torch.inf, 2, torch.nan, 3, torch.inf]))
    assert torch.equal(bits(endless.to(mask).weight), bits(torch.tensor([1, -0.0, 2, 0, 3, 0])))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), float("-inf")])
def test_one_number_that_is_not_finite_shows_at_the_extremes_of_a_vector(wrong: float) -> None:
    vector = torch.linspace(-1, 2, 1001)
    assert extremes(vector) == (-1.0, 2.0)
    assert extremes(torch.zeros(3)) == (0.0, 0.0)
    for place in (0, 500, 1000):
        changed = vector.clone()
        changed[place] = wrong
        assert not np.isfinite(extremes(changed)).all()


class Waits(TorchDispatchMode):
    """Counts the operations whose result the host has to wait for on a GPU."""

    NAMES = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, given: Any = (), named: Any = None
    ) -> Any:
        name = function.overloadpacket.__name__
        if any(name.startswith(slow) for slow in self.NAMES):
            self.seen.append(name)
        return function(*given, **(named or {}))


@pytest.mark.parametrize("method", ["gmp", "granet", "fggp", "dpf"])
def test_between_two_updates_no_step_waits_for_a_number(method: str, data: Path) -> None:
    wanted = cell(method, every=6, end=3)
    run = Run(wanted, load(data), CPU)
    run.batches.start(1)
    run.model.train()
    run.train_step(*run.batches[0])  # on a CPU, the first one looks at the masks
    with Waits() as waits:
        for number in (1, 2, 0, 1):
            run.train_step(*run.batches[number])
    assert waits.seen == []
    assert run.train_step.updates == []
    with Waits() as waits:
        run.train_step(*run.batches[2])
    assert run.train_step.updates
    assert waits.seen  # an update is counted, and the test would see it


def test_the_images_that_weights_are_scored_on_are_ten_of_each_class(data: Path) -> None:
    wanted, dataset = cell("snip"), load(data)
    chosen = np.arange(400)
    ((images, labels),) = scoring_batches(wanted, dataset, chosen, CPU)
    order = stream(1, "scoring").permutation(400)
    own = dataset.train_labels[chosen]
    expected = np.concatenate([order[own[order] == label][:10] for label in np.unique(own)])
    assert labels.tolist() == own[expected].tolist()
    assert len(images) == 100
