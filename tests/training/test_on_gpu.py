"""The promises of the CPU that a GPU has to keep.

Those of trainings and masks have a case that runs everywhere: a test that cannot pass is seen.
"""

import io
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
import small
import torch
from stand_in_gpu import GPU

from fggp.data import Dataset
from fggp.foundation.user_variables import GRAPHS
from fggp.running.gpu_check.masks import compared
from fggp.study.cell import Cell, canonical
from fggp.training import cuda_graphs
from fggp.training.energy.gpu import current_board
from fggp.training.loop import Run, Stopped
from fggp.training.torch_settings import arithmetic

ON_GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
)
METHODS = ("dense", "fggp", "granet", "imp", "dpf", "snip")
NETWORKS = [
    *(("vgg19", layout) for layout in ("contiguous", "channels_last", "by_stage")),
    *(("resnet50", layout) for layout in ("contiguous", "channels_last")),
]
CASES = [
    *(
        pytest.param("cuda", *network, method, id=f"{' '.join(network)} {method}", marks=ON_GPU)
        for network, method in product(NETWORKS, METHODS)
    ),
    pytest.param(
        "stand-in", "vgg19", "channels_last", "fggp", id="stand-in", marks=pytest.mark.long
    ),
]
BACKBONES = [pytest.param("cuda", backbone, marks=ON_GPU) for backbone in ("vgg19", "resnet50")]
ANYWHERE = pytest.param("stand-in", "vgg19", marks=pytest.mark.long)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    """The device of a case; the stand-in computes on the CPU."""
    if request.param == "cuda":
        return torch.device("cuda")
    stand_in: GPU = request.getfixturevalue("gpu")
    return stand_in.device


def cell(backbone: str, layout: str, method: str, device: torch.device) -> Cell:
    """A training of seconds whose last batch is smaller than the others."""
    precision = "bf16" if device.type == "cuda" else "fp32"
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


@pytest.mark.parametrize(("device", "backbone", "layout", "method"), CASES, indirect=["device"])
def test_recorded_plain_repeated_and_resumed_trainings_have_the_same_bytes(
    device: torch.device,
    backbone: str,
    layout: str,
    method: str,
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = cell(backbone, layout, method, device)
    with arithmetic(wanted.training):
        recorded = finished(Run(wanted, digits, device))
        assert finished(Run(wanted, digits, device)) == recorded
        assert resumed(wanted, digits, device, after=5) == recorded
        assert "no CUDA graph" not in capsys.readouterr().err
        monkeypatch.setenv(GRAPHS, "no")
        assert finished(Run(wanted, digits, device)) == recorded


def resumed(wanted: Cell, digits: Dataset, device: torch.device, after: int) -> str:
    """Stop after some steps, keep the state on the CPU as a file does, and continue from it."""
    run, seen = Run(wanted, digits, device), []

    def stop() -> bool:
        seen.append(1)
        return len(seen) > after

    with pytest.raises(Stopped):
        finished(run, stop)
    kept = io.BytesIO()
    torch.save(run.state_dict(), kept)
    kept.seek(0)
    state: dict[str, Any] = torch.load(kept, map_location="cpu", weights_only=True)
    again = Run(wanted, digits, device)
    again.load_state_dict(state)
    return finished(again)


@pytest.mark.parametrize(("device", "backbone"), [*BACKBONES, ANYWHERE], indirect=["device"])
def test_the_odd_last_batch_of_an_epoch_has_a_recording_of_its_own(
    device: torch.device, backbone: str, digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    record = cuda_graphs.CudaGraphs.__call__

    def counted(self: cuda_graphs.CudaGraphs, work: cuda_graphs.Again) -> cuda_graphs.Again:
        made.append(work)
        return record(self, work)

    monkeypatch.setattr(cuda_graphs.CudaGraphs, "__call__", counted)
    wanted = cell(backbone, "channels_last", "granet", device)
    with arithmetic(wanted.training):
        run = Run(wanted, digits, device)
        for _ in range(2):
            run.train_epoch(never, lambda done, steps: None)
            run.step = 0
    assert len(made) == 2


@pytest.mark.parametrize(("device", "backbone"), [*BACKBONES, ("cpu", "vgg19")])
def test_the_masks_of_mask_updates_are_those_of_the_cpu(device: str, backbone: str) -> None:
    found = compared({"device": device, "backbone": {"name": backbone, "width": "1/4"}})
    assert found["different"] == {}
    assert found["updates"] > 10


@ON_GPU[0]
@ON_GPU[1]
def test_the_energy_of_the_board_rises_with_work() -> None:
    board = current_board()
    if board is None:
        pytest.skip("the energy of this GPU is not counted")
    joules, square = 0.0, torch.ones(2048, 2048, device="cuda")
    for _ in range(1000):  # the counter is updated every few milliseconds
        (square @ square).sum().item()
        reading = board.since()
        assert reading is not None
        joules += reading.joules
    assert joules > 0
