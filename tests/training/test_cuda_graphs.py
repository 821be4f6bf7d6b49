"""A step that is recorded and replayed leaves the bits of a plain one, or is given up for it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import small
import torch
from torch import Tensor

from fggp.data import Dataset
from fggp.pruning.float_masks import FloatMasks
from fggp.study.cell import Cell, canonical
from fggp.training import cuda_graphs as replay
from fggp.training.cuda_graphs import Again, recorder
from fggp.training.loop import Run
from fggp.training.torch_settings import arithmetic

CPU = torch.device("cpu")
EPOCHS, BATCHES = 4, 3


class Recorder:
    """Stands in for a CUDA graph: repeats the work, and sees whether its tensors were replaced."""

    def __init__(self) -> None:
        self.made = self.replayed = 0
        self.replay: replay.Replay | None = None
        self.spoil: Callable[[], None] = lambda: None

    def __call__(self, work: Again) -> Again:
        self.made += 1
        assert self.replay is not None
        origin = self.replay._origin()

        def again() -> None:
            assert self.replay is not None
            assert self.replay._origin() == origin, "a graph would work on memory that is gone"
            self.replayed += 1
            work()
            self.spoil()

        return again


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """Record on a CPU as on a GPU, where the numbers of masks are kept and not made anew."""
    recorder, plain = Recorder(), replay.Replay.__init__

    def begin(self: replay.Replay, *given: Any, **named: Any) -> None:
        recorder.replay = self
        plain(self, *given, **named | {"record": recorder})

    monkeypatch.setattr(replay.Replay, "__init__", begin)
    keep = FloatMasks.__init__

    def kept(self: FloatMasks, masks: list[Tensor]) -> None:
        keep(self, masks)
        self._looks = False

    monkeypatch.setattr(FloatMasks, "__init__", kept)
    return recorder


cell = partial(small.cell, sparsity=0.9, start=0.5, epochs=EPOCHS, lr=0.05, end=3)


def outcome(wanted: Cell, dataset: Dataset, device: torch.device = CPU) -> dict[str, Any]:
    run = Run(wanted, dataset, device)
    while run.epoch <= len(run.protocol):
        run.train_epoch(lambda: False, lambda done, steps: None)
        run.close_epoch()
    return run.outcome().plain()


@pytest.mark.parametrize(
    "wanted",
    [
        *map(cell, ["dense", "gmp", "granet", "rigl", "fggp", "combined", "decaying-mask", "imp"]),
        small.by_the_authors(cell("fggp")),
        small.by_the_authors(cell("combined", settings={"score": "rank-sum"})),
    ],
    ids=lambda wanted: f"{wanted.label}{'-authors' * bool(wanted.pruning.dense)}",
)
def test_a_recorded_training_comes_to_the_same_bytes(
    wanted: Cell, digits: Dataset, request: pytest.FixtureRequest
) -> None:
    plain = outcome(wanted, digits)
    recorder = request.getfixturevalue("recorded")
    assert canonical(outcome(wanted, digits)) == canonical(plain)
    assert recorder.replayed > 0


def test_nothing_is_recorded_while_masking_is_soft(digits: Dataset, recorded: Recorder) -> None:
    outcome(cell("dpf"), digits)
    assert recorded.made == 0


def test_mask_updates_record_nothing_anew_and_learning_rates_do(
    digits: Dataset, recorded: Recorder
) -> None:
    outcome(cell("granet"), digits)
    # Two shapes of a batch; the rate falls after half and three quarters of the epochs.
    assert recorded.made == 2 * 3
    assert recorded.replayed == EPOCHS * BATCHES - replay.WARM


def test_without_a_gpu_or_where_it_is_forbidden_nothing_is_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda = torch.device("cuda")
    assert recorder(CPU) is None
    assert recorder(cuda) is replay.cuda_graph
    monkeypatch.setenv(replay.SWITCH, "no")
    assert recorder(cuda) is None


@pytest.mark.parametrize("kind", ["weight", "gradient", "error"])
def test_a_recording_that_differs_by_one_bit_is_given_up(
    kind: str, digits: Dataset, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = outcome(cell("fggp"), digits)
    recorder = request.getfixturevalue("recorded")
    run = Run(cell("fggp"), digits, CPU)
    first = next(iter(run.model.parameters()))

    def spoil() -> None:
        if kind == "error":
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        spoilt = first.data if kind == "weight" else first.grad
        assert spoilt is not None
        spoilt.view(torch.int32).view(-1)[0] ^= 1

    recorder.spoil = spoil
    while run.epoch <= len(run.protocol):
        run.train_epoch(lambda: False, lambda done, steps: None)
        run.close_epoch()
    assert canonical(run.outcome().plain()) == canonical(plain)
    assert recorder.made == 1
    said = capsys.readouterr().err
    why = "not permitted" if kind == "error" else "differs"
    assert said.count("fggp: no CUDA graph is used") == 1
    assert why in said


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
    plain = cell(method)
    wanted = plain.model_copy(
        update={"training": plain.training.model_copy(update={"precision": precision})}
    )
    with arithmetic(wanted.training):
        recorded = outcome(wanted, digits, torch.device("cuda"))
        assert "no CUDA graph" not in capsys.readouterr().err
        monkeypatch.setenv(replay.SWITCH, "no")
        assert canonical(recorded) == canonical(outcome(wanted, digits, torch.device("cuda")))
