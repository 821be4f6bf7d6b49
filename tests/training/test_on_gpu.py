"""What a GPU has to keep of the CPU's promises; each test needs one and is skipped without."""

import io
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import small
import torch

from fggp.data import Dataset
from fggp.running.gpu_check.masks import compared
from fggp.study.cell import Cell, canonical
from fggp.training import cuda_graphs
from fggp.training.energy.gpu import current_board
from fggp.training.loop import Run, Stopped
from fggp.training.torch_settings import arithmetic

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
]
CUDA = torch.device("cuda")
METHODS = ("dense", "fggp", "granet", "imp", "dpf", "snip")
NETWORKS = [
    *(("vgg19", layout) for layout in ("contiguous", "channels_last", "by_stage")),
    *(("resnet50", layout) for layout in ("contiguous", "channels_last")),
]
CASES = [
    pytest.param(*network, method, id=f"{' '.join(network)} {method}")
    for network, method in product(NETWORKS, METHODS)
]


def cell(backbone: str, layout: str, method: str, precision: str = "bf16") -> Cell:
    """A training of seconds whose last batch is smaller than the others."""
    settings = {"precision": precision, "layout": layout, "lr": 0.05}
    made = small.cell(method, sparsity=0.8, start=0.5, epochs=3, end=2, **settings)
    return made.model_copy(update={"backbone": made.backbone.model_copy(update={"name": backbone})})


def never() -> bool:
    return False


def finished(run: Run, stop: Callable[[], bool] = never) -> str:
    """Train to the end, and return all that is recorded of the outcome."""
    while run.goes_on:
        run.train_epoch(stop, lambda done, steps: None)
        run.close_epoch()
    return canonical(run.outcome().plain())


@pytest.mark.parametrize(("backbone", "layout", "method"), CASES)
def test_recorded_plain_repeated_and_resumed_trainings_have_the_same_bytes(
    backbone: str,
    layout: str,
    method: str,
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = cell(backbone, layout, method)
    with arithmetic(wanted.training):
        recorded = finished(Run(wanted, digits, CUDA))
        assert finished(Run(wanted, digits, CUDA)) == recorded
        assert resumed(wanted, digits, after=5) == recorded
        assert "no CUDA graph" not in capsys.readouterr().err
        monkeypatch.setenv(cuda_graphs.SWITCH, "no")
        assert finished(Run(wanted, digits, CUDA)) == recorded


def resumed(wanted: Cell, digits: Dataset, after: int) -> str:
    """Stop after so many steps, keep the state on the CPU as a file does, and go on from it."""
    run, seen = Run(wanted, digits, CUDA), []

    def stop() -> bool:
        seen.append(1)
        return len(seen) > after

    with pytest.raises(Stopped):
        finished(run, stop)
    kept = io.BytesIO()
    torch.save(run.state_dict(), kept)
    kept.seek(0)
    state: dict[str, Any] = torch.load(kept, map_location="cpu", weights_only=True)
    again = Run(wanted, digits, CUDA)
    again.load_state_dict(state)
    return finished(again)


@pytest.mark.parametrize("backbone", ["vgg19", "resnet50"])
def test_the_odd_last_batch_of_an_epoch_has_a_recording_of_its_own(
    backbone: str, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    record = cuda_graphs.CudaGraphs.__call__

    def counted(self: cuda_graphs.CudaGraphs, work: cuda_graphs.Again) -> cuda_graphs.Again:
        made.append(work)
        return record(self, work)

    monkeypatch.setattr(cuda_graphs.CudaGraphs, "__call__", counted)
    wanted = cell(backbone, "channels_last", "granet")
    with arithmetic(wanted.training):
        run = Run(wanted, digits, CUDA)
        for _ in range(2):
            run.train_epoch(never, lambda done, steps: None)
            run.step = 0
    assert len(made) == 2


@pytest.mark.parametrize("backbone", ["vgg19", "resnet50"])
def test_the_masks_of_mask_updates_are_those_of_the_cpu(backbone: str) -> None:
    found = compared({"device": "cuda", "backbone": backbone, "width": "1/4"})
    assert found["different"] == {}
    assert found["updates"] > 10


def test_the_energy_of_the_board_is_counted() -> None:
    board = current_board()
    assert board is not None
    reading = board.since()
    assert reading is not None
    assert reading.joules >= 0
