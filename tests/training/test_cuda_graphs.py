"""A step that is recorded and replayed leaves the bits of a plain one, or is given up for it."""

from collections.abc import Callable
from functools import partial

import pytest
import small
import torch
from stand_in_gpu import GPU
from stand_in_gpu.graphs import Graph

from fggp.data import Dataset
from fggp.foundation.user_variables import GRAPHS
from fggp.study.cell import Cell, canonical
from fggp.training import cuda_graphs
from fggp.training.cuda_graphs import recorder
from fggp.training.loop import Run
from fggp.training.torch_settings import arithmetic
from fggp.training.train import train

CPU = torch.device("cpu")
EPOCHS, BATCHES = 4, 3
SWITCHES = 2  # the learning rate falls after half and three quarters of the epochs

cell = partial(small.cell, start=0.5, epochs=EPOCHS, end=3)


def outcome(wanted: Cell, dataset: Dataset, device: torch.device) -> str:
    return canonical(train(wanted, dataset, device=device, store=small.Forgetful()).plain())


@pytest.fixture(scope="module")
def plain(digits: Dataset) -> str:
    """Return the outcome of fggp without recordings."""
    return outcome(cell("fggp"), digits, CPU)


def test_nothing_is_recorded_while_masking_is_soft(digits: Dataset, gpu: GPU) -> None:
    outcome(cell("dpf"), digits, gpu.device)
    assert gpu.recordings == 0


def test_each_shape_of_a_batch_is_recorded_once_for_each_learning_rate(
    digits: Dataset, gpu: GPU
) -> None:
    outcome(cell("dense"), digits, gpu.device)
    assert gpu.recordings == 2 * (1 + SWITCHES)
    assert gpu.replays == EPOCHS * BATCHES - cuda_graphs.WARM


def test_mask_updates_record_nothing_anew_but_where_a_mask_is_full_no_longer(
    digits: Dataset, gpu: GPU
) -> None:
    run = Run(cell("granet", start=0.8), digits, gpu.device)
    run.train_epoch(lambda: False, lambda done, steps: None)
    assert run.pruner.steps == BATCHES
    made = gpu.recordings
    full = [layer.kept == layer.total for layer in run.pruner.layers()]
    run.close_epoch()
    run.train_epoch(lambda: False, lambda done, steps: None)  # with two updates
    still = [layer.kept == layer.total for layer in run.pruner.layers()]
    assert full == still
    assert gpu.recordings == made + 1  # the shape that was not recorded before


def test_without_a_gpu_or_where_it_is_forbidden_nothing_is_recorded(
    gpu: GPU, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorder(CPU) is None
    assert recorder(gpu.device) is not None
    monkeypatch.setenv(GRAPHS, "no")
    assert recorder(gpu.device) is None


def test_full_masks_cost_no_launch(
    digits: Dataset, gpu: GPU, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GRAPHS, "no")  # so that every launch is counted
    for name in ("dense", "small-dense"):
        outcome(cell(name), digits, gpu.device)
        assert gpu.kernels["_fused_sgd_"] > 0
        assert selections(gpu) == 0
    outcome(cell("gmp"), digits, gpu.device)
    assert selections(gpu) > 0


def selections(gpu: GPU) -> int:
    """Launches that zero off a mask; those of mirrored images come with two others each."""
    return gpu.kernels["bitwise_and_"] - gpu.kernels["bitwise_xor_"] // 2


def test_gradients_stay_where_a_recording_writes_them(digits: Dataset, gpu: GPU) -> None:
    run = Run(cell("dense", batch_size=45), digits, gpu.device)
    first = next(run.model.parameters())
    seen = []

    def keep(done: int, steps: int) -> None:
        seen.append(first.grad)

    for _ in range(3):
        run.train_epoch(lambda: False, keep)
        run.close_epoch()
    assert seen[:2] == [None, None]  # plain steps free theirs
    recorded, again, other_rate, last = seen[2:]
    assert recorded is again is not None
    assert other_rate is last is not None
    assert other_rate is not recorded


def changed_weight(run: Run) -> None:
    next(run.model.parameters()).held.view(torch.int32).view(-1)[0] ^= 1


def changed_gradient(run: Run) -> None:
    gradient = next(run.model.parameters()).grad
    assert gradient is not None
    gradient.held.view(torch.int32).view(-1)[0] ^= 1


def refused(run: Run) -> None:
    raise RuntimeError("operation not permitted when stream is capturing\nmore")


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(changed_weight, "differs"), (changed_gradient, "differs"), (refused, "not permitted")],
)
def test_a_recording_that_differs_by_one_bit_is_given_up(
    spoil: Callable[[Run], None],
    why: str,
    plain: str,
    gpu: GPU,
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    replay = Graph.replay

    def spoilt(graph: Graph) -> None:
        replay(graph)
        with torch.no_grad():
            spoil(run)

    monkeypatch.setattr(Graph, "replay", spoilt)
    run = Run(cell("fggp"), digits, gpu.device)
    while run.goes_on:
        run.train_epoch(lambda: False, lambda done, steps: None)
        run.close_epoch()
    assert canonical(run.outcome().plain()) == plain
    assert gpu.recordings == 1
    assert gpu.memory.pools == {}
    said = capsys.readouterr().err
    assert said.count("fggp: no CUDA graph is used") == 1
    assert why in said


def test_recordings_share_the_memory_of_the_largest(digits: Dataset, gpu: GPU) -> None:
    taken = {}
    for name, size in (("one shape", 45), ("two shapes", 48)):
        run = Run(cell("dense", batch_size=size), digits, gpu.device)
        for _ in range(2):
            run.train_epoch(lambda: False, lambda done, steps: None)
            run.close_epoch()
        assert len(gpu.memory.pools) == 1
        taken[name] = sum(gpu.memory.pools.values()) / size
        del run
        gpu.reset()
    # A second, smaller shape adds no more than its gradients, of as many bytes as the weights.
    assert taken["two shapes"] < 1.5 * taken["one shape"]


def test_recordings_of_a_learning_rate_that_is_over_leave_no_memory(
    digits: Dataset, gpu: GPU
) -> None:
    run = Run(cell("dense"), digits, gpu.device)
    sizes = []
    while run.goes_on:
        run.train_epoch(lambda: False, lambda done, steps: None)
        run.close_epoch()
        sizes.append(sum(gpu.memory.pools.values()))
    assert len(gpu.memory.pools) == 1
    assert sizes[1] >= sizes[2] == sizes[3]


@pytest.mark.parametrize("where", ["everywhere", "in one piece"])
def test_where_memory_is_short_a_training_goes_on_without_recordings(
    where: str,
    gpu: GPU,
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = cell("fggp", batch_size=90)
    if where == "everywhere":
        with monkeypatch.context() as patch:
            patch.setenv(GRAPHS, "no")
            outcome(wanted, digits, gpu.device)
        limit = gpu.memory.peak * 21 // 20
        gpu.reset()
        gpu.memory.limit = limit
    else:
        gpu.memory.pool_limit = 100_000
    assert outcome(wanted, digits, gpu.device) == outcome(wanted, digits, CPU)
    said = capsys.readouterr().err
    assert said.count("fggp: no CUDA graph is used") == 1
    assert ("GiB of memory" in said) == (where == "everywhere")
    assert gpu.recordings == (where == "in one piece")
    assert gpu.memory.pools == {}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("method", ["dense", "gmp", "granet", "fggp", "imp"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_a_cuda_graph_leaves_the_bytes_of_plain_steps(
    method: str,
    precision: str,
    digits: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "check_input_liveness" in torch.cuda.graph.__init__.__annotations__:
        careful = partial(torch.cuda.graph, check_input_liveness=True)
        monkeypatch.setattr(torch.cuda, "graph", careful)
    wanted = cell(method, precision=precision)
    with arithmetic(wanted.training):
        recorded = outcome(wanted, digits, torch.device("cuda"))
        assert "no CUDA graph" not in capsys.readouterr().err
        monkeypatch.setenv(GRAPHS, "no")
        assert recorded == outcome(wanted, digits, torch.device("cuda"))
